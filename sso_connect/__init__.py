"""How people are handed over.

redirects    the RedirectIDs 1 to 11: data
tokens       remote-authentication tokens: issue, redeem, revoke
framing      carriers of a session, who may frame a page, what a frame says to its parent
handoff      CloudSSOConnect: from the parameters of a redirect to an open session and a page
diagnostics  every refusal with its checks, found again by its reference
imports      invoice files
web          /sso/connect and sign-out
portal       the customer portal: the pages of the RedirectIDs
api          the partner API
"""
