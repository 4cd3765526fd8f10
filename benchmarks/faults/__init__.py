"""Whether the deadline holds when Redis or the broker does not."""
