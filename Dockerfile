# One image for every process; `docker-compose.yml` runs each as a service of its own.
# Not built where Stenolog is developed: there is no Docker engine there.

FROM python:3.11-slim-bookworm AS packages
# `--build-arg PACKAGES=riva` adds what STENOLOG_ENGINE=riva needs.
ARG PACKAGES=production
COPY locks/production.txt /tmp/production.txt
COPY locks/riva.txt /tmp/riva.txt
RUN python -m venv /opt/stenolog \
    && /opt/stenolog/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/${PACKAGES}.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stenolog
COPY --from=packages /opt/stenolog /opt/stenolog
WORKDIR /app
COPY pyproject.toml ./
COPY domain domain
COPY schemas schemas
COPY infrastructure infrastructure
COPY commands commands
COPY dispatcher dispatcher
COPY relay relay
COPY evidence evidence
COPY projections projections
COPY inference_worker inference_worker
COPY api api
COPY embedded embedded
COPY cli cli
# Our packages have generic names: the checkout goes before everything else on the path.
ENV PATH=/opt/stenolog/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER stenolog
ENTRYPOINT ["python", "-m", "cli"]
CMD ["--help"]
