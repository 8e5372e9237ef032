"""Random and hostile input, one module a kind: each offers KIND, attempt(seed) and describe(seed)."""
