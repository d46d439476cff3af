#!/bin/sh
# Writes the *_pb.ts beside src/internal/proto/*.proto, and those of the Greeter in the example and in the tests' fixtures. Run it
# after a change to one of them or to the version of @bufbuild/protobuf (protoc-gen-es must have the same version). The tools come
# through npx and are no dependencies.
set -eu
cd "$(dirname "$0")/.."
generate() {
  npx --yes --package @bufbuild/buf@1.75.0 --package @bufbuild/protoc-gen-es@2.17.0 -- \
    buf generate "$1" --template '{
  "version": "v2",
  "plugins": [{
    "local": "protoc-gen-es",
    "out": "'"$2"'",
    "opt": ["target=ts", "import_extension=ts", "erasable_syntax=true"]
  }]
}'
}
generate src/internal/proto src/internal/proto
generate ../../examples/50-greeter ../../examples/50-greeter
