"""Other people's software, as examples: they know the public API and nothing of the hub's code.

partner_client    a partner's server-side client: REST calls, and a browser that is no browser (for checks)
partner_portal    a partner's portal: signs payers in, registers them, shows the hub's pages in an iFrame
data/             invoice files of two made-up utilities
"""
