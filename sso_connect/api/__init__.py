"""The partner API: REST and JSON under /api/v1 on the API host.

operations       the table: path, scope, models, refusals of each operation
wire             how JSON becomes a model: names, strictness, bounds, and how a fault is told
models           what goes in and out; customer_models: the utility account
names            whom a body names
calls            what each operation does
authenticate     Remote Authentication, the hot path
request          the key and its rate
routes           blueprint() and api_app(): key, body, call, answer
openapi, docs    the OpenAPI 3.1 document, its page, and a page for each problem

To add an operation: its models, a row in `operations`, a function in `calls`, its name in `routes.blueprint`. The document follows.
"""
