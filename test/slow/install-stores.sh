#!/bin/sh
# Installs the real stores the slow suites start (PostgreSQL, MariaDB, etcd) and libfaketime, from Debian packages.
# The packages start nothing in a container; the suites start their own servers on loopback with temporary
# data directories. Needs root and a Debian or Ubuntu machine with its usual package sources.
set -eu
export DEBIAN_FRONTEND=noninteractive
# Without this a package's own service would start on machines with an init system and take the default port.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends postgresql mariadb-server etcd-server faketime
