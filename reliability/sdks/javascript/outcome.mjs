// What each of these programs prints: one line of JSON about how its job ended.

/**
 * Run a program with the arguments of the command line, and print its outcome or what it threw.
 *
 * @param program Called with the URL of the mount, the API key, the text that says how the job goes, and the action:
 *     "wait" until it has ended, or "cancel" it and look once. It returns the last word about the job, as `status`;
 *     a URL or the text itself, as `result`; and why it failed, as `message`.
 */
export async function report(program) {
  const print = ({ status = null, error = null, message = null, result = null }) =>
    console.log(JSON.stringify({ status, error, message: message && String(message).slice(0, 500), result }));
  try {
    print(await program(...process.argv.slice(2, 6)));
  } catch (error) {
    print({ error: error.constructor.name, message: error.message });
  }
  process.exit(0); // some SDKs keep connections open
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
