#!/bin/sh
# Writes src/internal/proto/etcd_pb.ts from etcd.proto. Run it after a change to etcd.proto or to the version of
# @bufbuild/protobuf (protoc-gen-es must have the same version). The tools come through npx and are no dependencies.
set -eu
cd "$(dirname "$0")/.."
exec npx --yes --package @bufbuild/buf@1.75.0 --package @bufbuild/protoc-gen-es@2.17.0 -- \
  buf generate src/internal/proto --template '{
  "version": "v2",
  "plugins": [{
    "local": "protoc-gen-es",
    "out": "src/internal/proto",
    "opt": ["target=ts", "import_extension=ts", "erasable_syntax=true"]
  }]
}'
