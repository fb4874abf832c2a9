"""HTTP in, HTTP out: the routes, what they read and what they answer."""
