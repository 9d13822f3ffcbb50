#!/bin/sh
# Builds the registry and lays out what an image or a plain host runs: deploy/build.sh <directory>
# Needs Node.js >= 24, npm, and the packages of the lockfile (npm install). Start it with: <directory>/bin/sofa-registry start
set -eu

[ $# -eq 1 ] || { echo "usage: $0 <directory>" >&2; exit 2; }
cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
[ -z "$(ls -A "$out")" ] || { echo "$0: $out is not empty" >&2; exit 2; }

node_modules/.bin/tsc -b packages/server
cp package.json package-lock.json "$out"
for package in packages/* bench; do
  mkdir -p "$out/$package"
  cp "$package/package.json" "$out/$package"
done
# Programs only: no sources, maps or type declarations.
(cd packages && find . -path '*/dist/*.js' ! -path '*/node_modules/*' -print) | while read -r file; do
  mkdir -p "$out/packages/$(dirname "$file")"
  cp "packages/$file" "$out/packages/$file"
done
cd "$out"
npm ci --omit=dev --ignore-scripts --no-audit --no-fund --workspace sofa-registry
rm -rf bench packages/testing node_modules/@sofa-registry/testing node_modules/sofa-registry-bench node_modules/.bin

mkdir bin
cat > bin/sofa-registry << 'END'
#!/bin/sh
exec node "$(dirname "$(readlink -f "$0")")/../packages/server/dist/cli.js" "$@"
END
chmod 755 bin/sofa-registry
