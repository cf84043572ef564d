# syntax=docker/dockerfile:1

# One image that runs everything:
#
#   docker build --build-arg VERSION="$(git describe --tags --always)" -t etude .
#   docker run -p 127.0.0.1:8080:8080 -p 127.0.0.1:4566:4566 -v etude:/data etude

FROM node:22-bookworm-slim AS modules
WORKDIR /assets
COPY internal/web/assets/package.json internal/web/assets/package-lock.json internal/web/assets/.npmrc ./
RUN npm ci

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
COPY --from=modules /assets/node_modules internal/web/assets/node_modules
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build \
    export CGO_ENABLED=0 GOCACHE=/go/build && \
    go run ./internal/web/assets/bundle && \
    go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /etude ./cmd/etude

FROM debian:12-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends bubblewrap ca-certificates ffmpeg && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin etude && \
    install -d -o etude -g etude -m 0700 /data
COPY --from=build /etude /usr/local/bin/etude
COPY LICENSE NOTICE /usr/share/doc/etude/

USER etude
WORKDIR /data
VOLUME /data
# From within a container, its loopback is nobody's.
ENV ETUDE_DATA=/data ETUDE_SITE_ADDR=0.0.0.0:8080 ETUDE_EDGE_ADDR=0.0.0.0:4566
# The site, for people; the AWS APIs, for programs.
EXPOSE 8080 4566
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["etude", "ready"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["etude"]
CMD ["serve"]
