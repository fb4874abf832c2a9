"""The client for asyncio, on aiohttp."""
