# shellcheck shell=bash
# A private apt: the machine's own mirror and keys, but sources, state and cache in the lab's folder.
# Nothing of the system changes and no root is needed. Sourced by `setup`.

apt=$cache/apt

# The mirror this machine already uses for Debian, and the key it is signed by: "URI [KEYRING]".
machine_mirror() {
    if [[ -n ${RISER_LAB_MIRROR:-} ]]; then echo "$RISER_LAB_MIRROR"; return; fi
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ -r $file ]] || continue
        awk 'BEGIN { RS = ""; FS = "\n" }
            { uri = key = ""; off = 0
              for (i = 1; i <= NF; i++) {
                  if ($i ~ /^URIs:/)      { split($i, word, /[ \t]+/); uri = word[2] }
                  if ($i ~ /^Signed-By:/) { split($i, word, /[ \t]+/); key = word[2] }
                  if ($i ~ /^Enabled:[ \t]*no/) off = 1 }
              if (!off && uri ~ /\/debian\/?$/) { print uri, key; exit } }' "$file"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -r $file ]] || continue
        awk '$1 == "deb" { key = ""; uri = ""
              for (i = 2; i <= NF; i++) {
                  if (match($i, /signed-by=[^] ]*/)) key = substr($i, RSTART + 10, RLENGTH - 10)
                  if ($i ~ /^[a-z+]+:.*\/debian\/?$/) uri = $i }
              if (uri != "") { print uri, key; exit } }' "$file"
    done
}

apt_configure() {
    local mirror key option=
    read -r mirror key < <(machine_mirror) ||
        die "no Debian mirror in /etc/apt/sources.list*; name one: RISER_LAB_MIRROR='URI [KEYRING]'."
    [[ -n $key && -e $key ]] || key=/usr/share/keyrings/debian-archive-keyring.gpg
    [[ -e $key ]] && option="[signed-by=$key] "
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/none"
    : > "$apt/status"
    printf "deb $option%s %s main\n" "$mirror" bookworm "$mirror" bookworm-backports > "$apt/sources.list"
    # Read after the machine's own configuration: its proxies stay, its hooks do not.
    cat > "$apt/apt.conf" <<CONF
#clear APT::Update;
#clear DPkg;
#clear Acquire::IndexTargets::deb::DEP-11;
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/none";
Dir::Etc::preferences "$apt/none/preferences";
Dir::Etc::preferencesparts "$apt/none";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Keep-Downloaded-Packages "true";
Binary::apt-get::APT::Keep-Downloaded-Packages "true";
Debug::NoLocking "true";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
}

apt_get() { apt-get -c "$apt/apt.conf" "$@"; }

# The package that a meta package of one series stands for: real_package linux-image-amd64 6.12
real_package() {
    apt-cache -c "$apt/apt.conf" show "$1" 2>/dev/null | awk -v series="$2" '
        /^Version:/ { mine = index($2, series ".") == 1 }
        /^Depends:/ && mine { print $2; exit }'
}

# apt puts a file in place only when it is whole and its hash is right, so an interrupted download goes on
# where it was. Both say how much there is: download_closure from the whole dependency tree, download_only of
# the named packages alone, into the current folder.
download_closure() {
    plan -t bookworm-backports install "$@"
    apt_get -y -o Dpkg::Use-Pty=0 --download-only -t bookworm-backports install "$@" 2>&1 |
        awk -v total="$(wc -l < "$apt/plan")" '
            /^Get:/ { n++; if (n % 20 == 0 || n == total) printf "lab:   %d of %d packages\n", n, total }
            /^(E|Err)/ { print "lab:   " $0 }' >&2
}

download_only() {
    plan download "$@"
    apt_get -qq download "$@"
}

plan() {
    apt_get -y -qq --print-uris "$@" | awk '/^.[a-z+]+:/ { print $2, $3 }' > "$apt/plan"
    say "$(awk '{ n++; s += $2 } END { printf "  %d packages, %.0f MB to download", n, s / 1e6 }' "$apt/plan")"
}

# fetch_unpacked PACKAGE: one package without what it depends on, as the cache's folder of that name; once.
fetch_unpacked() {
    [[ ! -e $cache/$1 ]] || return 0
    exec 9> "$cache/lock"
    flock 9
    say "downloading $1 (once; not installed)"
    apt_configure
    apt_get -qq update || die "apt-get could not read the package lists of this machine's Debian mirror."
    mkdir -p "$apt/$1"
    (cd "$apt/$1" && download_only "$1") && rm -rf "$cache/$1.new" && dpkg-deb -x "$apt/$1/$1"_*.deb "$cache/$1.new"
    rm -rf "$apt"
    [[ -e $cache/$1 ]] || mv -T "$cache/$1.new" "$cache/$1"
    exec 9>&-
}
