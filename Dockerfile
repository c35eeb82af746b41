# The services' images: one build, and one final stage per service (`--target user-service`).
FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY . .
# Tests set it to off, which saves minutes.
ARG CARGO_PROFILE_RELEASE_LTO=thin
# `touch` makes the sources newer than the cached build, which can be from another checkout. The binaries are copied in the same
# step, because cache mounts are not part of the layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    find . -path ./target -prune -o -type f -exec touch {} + && \
    cargo build --release --locked -p user-service -p task-service && \
    install -D -t /out target/release/user-service target/release/task-service

FROM debian:trixie-slim AS runtime
# The CA certificates of the system, for Redis over TLS. The image has none of its own.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
ENV BIND=0.0.0.0:8080
EXPOSE 8080
USER 10001:10001

FROM runtime AS user-service
COPY --from=build /out/user-service /usr/local/bin/
HEALTHCHECK CMD ["/usr/local/bin/user-service", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/user-service"]

FROM runtime AS task-service
COPY --from=build /out/task-service /usr/local/bin/
HEALTHCHECK CMD ["/usr/local/bin/task-service", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/task-service"]

# The packages for Python and Node.js, each with its engine. Their sources alone, so that a changed page rebuilds no engine.
FROM rust:1.95-slim-trixie AS packages
WORKDIR /src
ARG CARGO_PROFILE_RELEASE_LTO=thin
COPY Cargo.toml .
COPY shared-session shared-session
COPY bindings bindings
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=packages,target=/target \
    find . -type f -exec touch {} + && export CARGO_TARGET_DIR=/target PYO3_BUILD_EXTENSION_MODULE=1 PYO3_NO_PYTHON=1 && \
    cargo build --release --locked --manifest-path bindings/python/Cargo.toml && \
    cargo build --release --locked --manifest-path bindings/node/Cargo.toml && \
    mkdir -p /out/python /out/node && \
    cp -r bindings/python/python/shared_session /out/python && \
    cp -r bindings/node/package.json bindings/node/lib /out/node && \
    cp /target/release/lib_engine.so /out/python/shared_session/_engine.abi3.so && \
    cp /target/release/libshared_session_node.so /out/node/engine.node

# Python for the pages in python/.
FROM python:3.13-slim-trixie AS python
WORKDIR /app
COPY python/requirements.txt .
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements.txt
COPY --from=packages /out/python .
COPY python .
EXPOSE 8080
USER 10001:10001
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["gunicorn", "server:app"]

# Node.js for the pages in node/.
FROM node:24-trixie-slim AS node
WORKDIR /app
COPY node/package.json node/package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY --from=packages /out/node node_modules/shared-session
COPY node .
ENV BIND=0.0.0.0:8080
EXPOSE 8080
USER 10001:10001
HEALTHCHECK CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "server.js"]

# PHP for the pages in php/, with the Redis extension.
FROM php:8.4-fpm AS php
RUN pecl install redis && docker-php-ext-enable redis
COPY php /var/www/html/php
USER www-data
