# shellcheck shell=bash
# What building and checking kernel code needs and a machine may not have: flex, bison, libelf, sparse, checkpatch.
# Unpacked into the lab's cache. Sourced, after common.sh and packages.sh; sets $tools and leaves its bin on PATH.

tools=$cache/tools

debug_tools() {
    if [[ ! -e $tools/.complete ]]; then
        say "downloading tools to build and check kernel code"
        apt=$cache/apt-tools
        apt_configure
        apt_get -qq update || die "apt-get could not read the package lists of this machine's Debian mirror."
        rm -rf "$tools" "$tools.new" "$apt/tools"
        mkdir -p "$apt/tools" "$tools.new/bin"
        (cd "$apt/tools" && download_only flex bison m4 libelf-dev libelf1 zlib1g-dev libzstd1 sparse linux-source-6.12)
        local deb
        for deb in "$apt/tools"/*.deb; do
            case $deb in
            */linux-source*) dpkg-deb --fsys-tarfile "$deb" | tar -xOf - ./usr/src/linux-source-6.12.tar.xz |
                tar -xJf - -C "$tools.new/bin" --strip-components=2 --wildcards \
                    '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch' ;;
            *) dpkg-deb -x "$deb" "$tools.new" ;;
            esac
        done
        wrap flex; wrap bison; wrap sparse
        rm -rf "$apt" "$tools.new/usr/share/doc"
        touch "$tools.new/.complete"
        mv "$tools.new" "$tools"
    fi
    export PATH=$tools/bin:$PATH
    export LD_LIBRARY_PATH=$tools/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# They find their own files by where Debian installs them; here they stand in the cache.
wrap() {
    cat > "$tools.new/bin/$1" <<WRAPPER
#!/bin/sh
M4=$tools/usr/bin/m4 BISON_PKGDATADIR=$tools/usr/share/bison exec $tools/usr/bin/$1 "\$@"
WRAPPER
    chmod +x "$tools.new/bin/$1"
}
