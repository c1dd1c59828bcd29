# Two stages with the same base: the first builds the environment with the Makefile, as everywhere
# else; the second receives it with the sources and runs as a user without rights.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml constraints.txt Makefile README.md LICENSE ./
COPY emolive emolive
COPY realtime_model realtime_model
COPY stream_server stream_server
RUN make install PYTHON=python3

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 emolive
WORKDIR /app
COPY --from=build /app /app
COPY client_web client_web
COPY configs configs
RUN mkdir var && chown emolive var
USER emolive
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
VOLUME /app/var
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
# WebRTC media uses UDP ports of the host: run with --network=host, see docs/operations.md.
CMD ["emolive", "serve", "--host", "0.0.0.0"]
