# The hub and its worker in one image. Everything from PyPI is checked by hash; no secret is built in or defaulted.
FROM python:3.11-slim-bookworm AS build

ENV UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/hub UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /src

COPY tools/uv-requirements.txt tools/build-requirements.txt tools/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r tools/uv-requirements.txt

# The dependencies first: they change less often than the code.
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project

COPY claims claims
COPY idp idp
COPY sso_connect sso_connect
COPY admin admin
COPY hub hub
COPY docs/partner-guide.md docs/partner-reference.md docs/partner-flows.md docs/
RUN uv pip install --python /opt/hub/bin/python --no-deps --build-constraints tools/build-requirements.txt .


FROM python:3.11-slim-bookworm

# pg_dump, pg_restore and psql, for `idhub backup` and `idhub restore`.
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin hub \
    && install -d -o hub -g hub -m 0700 /var/lib/hub
COPY --from=build /opt/hub /opt/hub

ENV PATH=/opt/hub/bin:$PATH PYTHONUNBUFFERED=1 IDHUB_LISTEN=0.0.0.0:8080
WORKDIR /var/lib/hub
USER 10001:10001
EXPOSE 8080

# Alive, not ready: a hub whose database is away must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]

ENTRYPOINT ["idhub"]
CMD ["serve"]
