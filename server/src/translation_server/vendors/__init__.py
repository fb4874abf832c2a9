"""Other services' APIs, as formats: they tell the same jobs in other words, so that official SDKs work against them."""
