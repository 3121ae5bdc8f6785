# Functions that the `run` scripts of the peers share. A script sets `language` and, for each role, the
# optional checks that it offers (`server`, `client`, `reverse_proxy`, `forward_proxy`), defines the
# functions `setup`, `version` and one for each role, and ends with `main "$@"`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
lib=$here/../../lib
peer=$(basename "$here")
home=${TIGHTWIRE_INTEROP_HOME:?call tests/interop/run}
build=$home/build/$peer
node_modules=$home/node/node_modules
python=$home/python/bin/python
export PYTHONDONTWRITEBYTECODE=1

die() {
    echo "$peer: $*" >&2
    exit 1
}

# Installs Debian packages.
apt() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    [ "$(id -u)" = 0 ] || die "only root can install ${missing[*]}"
    echo "--- ${missing[*]}"
    # Nothing may be started that a package wants to run as a service.
    local policy=/usr/sbin/policy-rc.d own_policy=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        own_policy=1
        trap "rm -f $policy" EXIT
    fi
    local status=0
    {
        install_debian "${missing[@]}" || { apt-get update -qq && install_debian "${missing[@]}"; }
    } >"$home/apt-$peer.log" 2>&1 || status=$?
    [ -z "$own_policy" ] || rm -f $policy
    [ $status = 0 ] || { tail -20 "$home/apt-$peer.log"; die "cannot install ${missing[*]}"; }
}

install_debian() {
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
}

debian_version() { dpkg-query -W -f='${Version}\n' "$1" | sed 's/^[0-9]*://; s/[-+~].*//'; }

# Installs packages from PyPI in the environment that all peers in Python share.
pip() {
    command -v python3 >/dev/null || die "there is no python3"
    [ -x "$python" ] || python3 -m venv "$home/python"
    local package
    for package in "$@"; do
        "$python" -m pip freeze 2>/dev/null | grep -qix "$package" && continue
        echo "--- $package"
        "$python" -m pip install --quiet --disable-pip-version-check "$package"
    done
}

pip_version() {
    "$python" -c 'import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))' "$1"
}

# Installs a package from npm.
npm_package() {
    command -v node >/dev/null || die "there is no node"
    local name=${1%@*} version=${1##*@}
    grep -qs "\"version\": \"$version\"" "$node_modules/$name/package.json" && return
    echo "--- $1"
    npm install --prefix "$home/node" --no-audit --no-fund --loglevel=error "$1"
}

npm_version() { node -p "require('$node_modules/$1/package.json').version"; }

# Whether a program has to be built: `stale PROGRAM SOURCE...`.
stale() {
    local program=$1 source
    [ -e "$program" ] || return 0
    for source in "${@:2}"; do
        [ "$source" -nt "$program" ] && return 0
    done
    return 1
}

# Builds the peer's Go program with the packages of Debian.
go_build() {
    stale "$build/echo" "$here/echo.go" || return 0
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$home/build/go GOFLAGS= \
        go build -o "$build/echo" "$here/echo.go"
}

# Builds the package in the peer's folder, with the versions of its lock file.
cargo_build() {
    CARGO_TARGET_DIR=$home/build/rust CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml"
}

cargo_version() {
    sed -n "/^name = \"$1\"$/{n;s/version = \"\(.*\)\"/\1/p}" "$here/Cargo.lock"
}

# The main function of each `run`.
main() {
    local role
    case ${1:-} in
    setup)
        mkdir -p "$build"
        setup
        ;;
    version) version ;;
    features)
        echo "language $language"
        for role in server client reverse-proxy forward-proxy; do
            local name=${role/-/_}
            [ -z "${!name+set}" ] || echo "$role" ${!name}
        done
        ;;
    server | client | reverse-proxy | forward-proxy)
        "${1/-/_}" "${@:2}"
        ;;
    *) die "run setup | version | features | server PORT | client URL | reverse-proxy PORT UPSTREAM | forward-proxy PORT" ;;
    esac
}
