"""The web's floor: the request, headers, form tokens, problems, templates. The only part of `idp` that knows Flask."""
