# What this machine has and lacks, found before anything is downloaded. Sourced by tools/setup.sh.

# ROS 2 packages that the node is built from; a sourced ROS 2 must have them (tf2_msgs and vision_msgs we can build ourselves).
ros_packages=(action_msgs builtin_interfaces diagnostic_msgs geometry_msgs lifecycle_msgs rcl_action rcl_interfaces
  rosgraph_msgs rosidl_default_generators sensor_msgs std_msgs std_srvs visualization_msgs)

has_gpu() { timeout 10 nvidia-smi -L > /dev/null 2>&1; }

# Whether a ROS 2 that the shell has sourced holds package $1.
sourced_has() {
  local prefix
  for prefix in ${ros_prefixes//:/ }; do
    [ ! -e "$prefix/share/$1/package.xml" ] || return 0
  done
  return 1
}

python_version() { "$1" -c 'import platform, sys; print(f"Python {platform.python_version()} ({sys.executable})")'; }
python_fits() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
# With venv, pip for it, and the headers that compiled messages need: Debian has all three in packages of their own.
python_is_whole() {
  "$1" -c 'import ensurepip, os, sysconfig, venv
assert os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))' 2>/dev/null
}

# Sets `python` to a whole one where there is one, else to one that fits, else to nothing.
find_python() {
  local candidate fits=""
  python=""
  for candidate in ${ros_python:-python3.11 python3.12 python3.13 python3.10 python3 /usr/bin/python3}; do
    python_fits "$candidate" || continue
    fits=${fits:-$candidate}
    python_is_whole "$candidate" && { python=$candidate; return; }
  done
  python=$fits
}

cxx_works() { echo '#include <string>' | c++ -x c++ -fsyntax-only - 2>/dev/null && command -v cc > /dev/null; }

# Sets `apt` to the Debian / Ubuntu packages that are missing.
find_missing_packages() {
  apt=()
  cxx_works || apt+=(build-essential)
  find_python
  if [ -z "$python" ]; then
    apt+=(python3 python3-venv python3-dev)
  elif ! python_is_whole "$python"; then
    local name; name=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    apt+=("$name-venv" "$name-dev")
  fi
  [ -n "$ros_prefixes" ] || return 0
  local package
  for package in "${ros_packages[@]}"; do
    sourced_has "$package" || apt+=("ros-$ROS_DISTRO-${package//_/-}")
  done
}

# Say what is wrong, or nothing.
rust_problem() {
  local want found
  want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
  if [ -z "$found" ]; then
    echo "cargo is missing: install Rust $want or newer with rustup"
  elif [ "$(printf '%s\n' "$want" "$found" | sort -V | head -n 1)" != "$want" ]; then
    echo "cargo is $found, $want or newer is needed: rustup update"
  fi
}
disk_problem() {
  local need=8 free   # GB: .deps/ 2, pip's cache 1, target/ 5
  [ "$torch_kind" != gpu ] || need=16
  free=$(df -Pk "$deps" | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$free" -ge "$need" ] || echo "$free GB are free on the disk of $root, $need GB are needed (.deps/ and target/)"
}
machine_problem() {
  [ "$(uname -sm)" = "Linux x86_64" ] || [ -n "$ros_prefixes" ] \
    || echo "the ROS 2 wheels exist for Linux x86_64 only; on $(uname -sm) source a ROS 2 first and set LIBTORCH"
}

# Stops with all that is missing, before anything is downloaded; what apt has is installed where we are root.
check_machine() {
  local problems install
  find_missing_packages
  problems=$(machine_problem; rust_problem; disk_problem)
  install="apt-get install -y --no-install-recommends ${apt[*]}"
  if [ ${#apt[@]} -gt 0 ]; then
    say "this machine lacks: ${apt[*]}"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
      problems+=${problems:+$'\n'}"install them with this line: sudo $install"
    fi
  fi
  [ -z "$problems" ] || die "nothing was downloaded. First, then run this again:
$(sed 's/^/     /' <<< "$problems")"
  [ ${#apt[@]} -gt 0 ] || return 0
  say "installing them: $install"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive $install > /dev/null || die "apt-get failed (output above)"
  find_missing_packages
  [ ${#apt[@]} -eq 0 ] || die "still missing after that: ${apt[*]} (a Python of 3.10 to 3.13 with venv and headers is needed)"
}
