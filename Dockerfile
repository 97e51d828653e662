FROM python:3.13-slim-trixie AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/imagebot
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY imagebot ./imagebot
COPY kustomize ./kustomize
# Byte code is made here, with hashes instead of times: the file system is read-only later.
RUN pip --python /opt/imagebot/bin/python install --no-cache-dir --no-compile -c constraints.txt . \
    && /opt/imagebot/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/imagebot/lib

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="imagebot" \
      org.opencontainers.image.description="Pull requests for new image tags in GitOps repositories" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git openssh-client tini tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 imagebot \
    && useradd --uid 65532 --gid 65532 --home-dir /var/lib/imagebot --create-home \
       --shell /usr/sbin/nologin imagebot
COPY --from=build /opt/imagebot /opt/imagebot
ENV PATH=/opt/imagebot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /var/lib/imagebot
ENTRYPOINT ["tini", "--", "imagebot"]
CMD ["--help"]
