# shellcheck shell=bash
# What is asked of a kernel after the tests: whether it leaks, whether lockdep still looks, what its log and its taints say. Each
# prints one line of TAP, and its reasons. Sourced; $log is a folder for its files.

# start_of_log MARK: what was there before is nobody's.
start_of_log() {
    mark=$1
    taints_before=$(< /proc/sys/kernel/tainted)
    echo "$mark" > /dev/kmsg
    [[ ! -e /sys/kernel/debug/kmemleak ]] || echo clear > /sys/kernel/debug/kmemleak
}

# Memory that nobody points to any more; what is younger than five seconds is not looked at. A kmemleak that has turned
# itself off refuses to scan.
no_memory_is_leaked() {
    local leaks=/sys/kernel/debug/kmemleak
    if ! { sleep 6; echo scan > $leaks && sleep 6 && echo scan > $leaks && cp $leaks "$log/leaks"; }; then
        echo "# kmemleak does not look any more"
        echo "not ok 1 - no_memory_is_leaked"
    elif [[ -s $log/leaks ]]; then
        cat "$log/leaks"
        echo "not ok 1 - no_memory_is_leaked"
    else
        echo "ok 1 - no_memory_is_leaked"
    fi
}

# It turns itself off with its first report, or when it runs out of room.
lockdep_is_still_on() {
    grep -E 'debug_locks|lock-classes|dependency chains' /proc/lockdep_stats | sed 's/^/# /'
    grep -qE 'debug_locks: *1$' /proc/lockdep_stats && echo "ok 1 - lockdep_is_still_on" || echo "not ok 1 - lockdep_is_still_on"
}

# Nothing of it may be about us. Where faults are injected the kernel's own parts warn when they take back what they had
# no memory to make: entries of /proc/irq, an MSI-X table, a group's default domain. These are told apart, each by the
# function that warns and the one that called it.
without_own_warnings() {
    if [[ -z ${UPU_FAULTS:-} ]]; then cat; return; fi
    awk -v count="$log/own" '
        / cut here / { inside = 1; text = "" }
        !inside { print; next }
        { text = text $0 "\n" }
        /end trace/ {
            inside = 0
            if (text ~ /at remove_proc_entry\+/ && text ~ /unregister_irq_proc/ || text ~ /at iounmap\+/ && text ~ /pci_alloc_irq_vectors/ ||
                text ~ /at __iommu_release_dma_ownership\+/ && text ~ /iommu_group_release_dma_owner/) own++
            else printf "%s", text
        }
        END { if (inside) printf "%s", text; print own + 0 > count }'
}

the_kernel_log_is_clean() {
    local reports='BUG:|WARNING:|Oops|general protection|refcount_t|possible recursive|INFO: task|INFO: trying|UBSAN:|ODEBUG|DMA-API|nobody cared|kmemleak:.*[1-9][0-9]* new'
    dmesg | without_own_warnings > "$log/dmesg"
    ! grep -qF "$mark" "$log/dmesg" || sed -i "1,/$mark/d" "$log/dmesg"
    [[ ! -e $log/own ]] || echo "# $(< "$log/own") warnings of the kernel's own parts, under injected faults"
    if grep -qE "$reports" "$log/dmesg"; then
        echo "not ok 1 - the_kernel_log_is_clean"
        grep -B2 -A40 -E "$reports" "$log/dmesg" | head -200
    else
        echo "ok 1 - the_kernel_log_is_clean"
    fi
}

# Documentation/admin-guide/tainted-kernels.rst. The module is out of tree (12), and may be unsigned (13); a device that is
# opened without an IOMMU is at the user's own risk (6), which must be said. No warning (9), no oops (7), nothing else.
the_kernel_has_no_other_taint() {
    local now new must=$((1 << 12)) may=$((1 << 13))
    now=$(< /proc/sys/kernel/tainted)
    new=$((now & ~taints_before))
    [[ ${LAB_IOMMU:-1} == 1 ]] || must=$((must | 1 << 6))
    [[ ! -s $log/own || $(< "$log/own") == 0 ]] || may=$((may | 1 << 9)) # the kernel's own parts, under injected faults
    echo "# tainted: $taints_before, $now"
    if (((new & must) == must && !(new & ~(must | may)))); then
        echo "ok 1 - the_kernel_has_no_other_taint"
    else
        echo "not ok 1 - the_kernel_has_no_other_taint"
    fi
}

# What a kernel's command line asks for, it may have been built without.
the_kernel_preempts_as_it_was_told() {
    local asked model='as it was built'
    [[ ! -e /sys/kernel/debug/sched/preempt ]] || model=$(< /sys/kernel/debug/sched/preempt)
    echo "# preemption: $model"
    asked=$(sed -n 's/.*\bpreempt=\([a-z]*\).*/\1/p' /proc/cmdline)
    if [[ -z $asked || $model == *"($asked)"* ]]; then
        echo "ok 1 - the_kernel_preempts_as_it_was_told"
    else
        echo "not ok 1 - the_kernel_preempts_as_it_was_told"
    fi
}
