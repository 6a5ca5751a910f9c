"""May this target be dialled? Kinds of addresses, rules, policies."""
