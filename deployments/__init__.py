"""Places and recipes: YAML and container files only. A package so that an installed selfmend finds its recipes."""
