"""A model as one flat graph of operations: traced once, planned, then interpreted."""
