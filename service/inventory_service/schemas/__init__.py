"""What requests may hold and what answers look like, as pydantic models. The OpenAPI document is made from them."""
