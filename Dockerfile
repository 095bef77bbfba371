FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
# The tag leaves out a database backend that is never used (about 4 MB).
RUN CGO_ENABLED=0 go build -trimpath -tags ferretdb_no_postgresql \
      -ldflags "-s -w -X main.release=${VERSION}" -o /out/portcullis ./cmd/portcullis \
 && mkdir -p /out/data && mkdir -m 1777 /out/tmp

# Nothing but the binary: no shell, no package, no user but the number below.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/portcullis /portcullis
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/tmp /tmp
# Inside the container it listens on every interface, and so does not start before
# there is a key (portcullis key create, on the same store) or PORTCULLIS_AUTH_ANONYMOUS
# says what callers without one may do. A replica set is chosen by
# PORTCULLIS_MONGO_URI; /data is then unused.
ENV PORTCULLIS_ADDR=0.0.0.0:8181 PORTCULLIS_DATA=/data
USER 65532:65532
VOLUME /data
EXPOSE 8181
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s CMD ["/portcullis", "healthcheck", "--wait=2s"]
ENTRYPOINT ["/portcullis"]
CMD ["serve"]
