"""The shape of the code itself: imports, routes, errors, tooling, containers."""
