# Trains on the committed sample while it is built, serves without training code:
#
#   docker build -t barcast .
#   docker run --rm -p 8000:8000 -e BARCAST_API_KEY="$(openssl rand -hex 24)" barcast
#
# The service listens on every address of its container, so it refuses to start without a key. That is by design.
# To keep what is promoted or quarantined while it runs, mount a volume at /srv/barcast/models/artifacts.

FROM docker.io/library/python:3.11-slim AS base

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

# LightGBM's wheel expects the system's OpenMP runtime. Its version is the distribution's business, as libc's is.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /srv/barcast


FROM base AS trainer

COPY requirements/training.txt requirements/
RUN pip install --require-hashes -r requirements/training.txt

COPY barcast.py ./
COPY feature_mapper/ feature_mapper/
COPY data/ data/
COPY models/ models/
COPY training/ training/
RUN python -m barcast train


FROM base AS serving

COPY requirements/serving.txt requirements/
RUN pip install --require-hashes -r requirements/serving.txt

COPY feature_mapper/ feature_mapper/
COPY data/ data/
COPY models/ models/
COPY app/ app/

# The service owns its artifacts, to quarantine what fails its proof, and nothing else.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin barcast \
    && python -m compileall -q app data feature_mapper models
COPY --from=trainer --chown=10001:10001 /srv/barcast/models/artifacts/ models/artifacts/
USER 10001

ENV HOST=0.0.0.0 \
    PORT=8000
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f\"http://127.0.0.1:{os.environ.get('BARCAST_PORT') or os.environ['PORT']}/livez\", timeout=2)"]

CMD ["python", "-m", "app"]
