"""Claims: facts in, claims out. PURE: no Flask, no SQL, no network, no clock, no chance; the standard library only.

    facts.py        Facts, a frozen snapshot of one payer at one account, and the typed catalogue of all fact names
    mapping.py      ClaimRule and ClaimSet; check() when a set is saved; evaluate() for preview, test and issuance alike
    oidc.py         released claims -> members of an id_token or UserInfo answer
    saml.py         released claims -> SAML attributes
    errors.py       what this package raises; `idp` translates it

                     check()  -> faults, shown to whoever edits the set
    ClaimSet ───┤
                     evaluate(claim_set, facts, purpose) -> Released | Refused
    Facts ──────┘                                             │
                                              oidc.members / saml.attributes -> plain data, written by a JSON or XML library

Values go through as data: `<b>` in a customer's name is `<b>` in the claim. Escaping belongs to the library that writes JSON, XML
or HTML; escaping here would only show up twice there. What no writer can carry (control characters, lone surrogates) is never
released.

Not here: who may see a link, which account is in play, who the subject is (`sub` is the protocol's business), signing.
"""
