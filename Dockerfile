# The server. By itself it keeps its jobs in /data; with DATABASE_URL=postgresql://… in that database (see compose.yaml).
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# First the packages, which change seldom: what server/requirements.txt names, at the versions that were tested.
COPY requirements-dev.lock server/requirements.txt /tmp/
RUN sed '/--hash=/d; s/ *\\$//; s/\[[a-z,-]*\]==/==/' /tmp/requirements-dev.lock > /tmp/constraints.txt \
    && pip install --no-cache-dir --disable-pip-version-check -c /tmp/constraints.txt -r /tmp/requirements.txt asyncpg \
    && rm /tmp/*

RUN useradd --system --uid 10001 --no-create-home server && install -d -o server -m 0700 /data
COPY server/src /app/src

USER server
WORKDIR /app
ENV DATABASE_URL=sqlite:////data/translation.db LOG_FILE=/data/server.log PYTHONPATH=/app/src
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Everything can reach it inside its container; what is published is for whoever runs it to say.
ENTRYPOINT ["python", "-m", "translation_server"]
CMD ["serve", "--host", "0.0.0.0"]
