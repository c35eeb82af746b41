# The services' images: one build, and one final stage per service (`--target user-service`).
FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY . .
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

# PHP for the pages in php/, with the Redis extension.
FROM php:8.4-fpm AS php
RUN pecl install redis && docker-php-ext-enable redis
COPY php /var/www/html/php
USER www-data
