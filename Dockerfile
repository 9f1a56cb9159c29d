# secondsite without a home, a shell profile or a name in /etc/passwd: as the agent, the gate and the backup job run it.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY examples/kgents examples/kgents
RUN python -m venv /opt/secondsite && /opt/secondsite/bin/pip install --no-cache-dir ".[aws,lab]"

FROM python:3.13-slim
COPY --from=build /opt/secondsite /opt/secondsite
ENV PATH=/opt/secondsite/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["secondsite"]
CMD ["--help"]
