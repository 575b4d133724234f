# frozen_string_literal: true

# Builds the extension around the library: the one that pkg-config finds, else an archive that cargo builds from the
# sources, those that a gem carries in the folder `library`, or those of the repository.
#
#   --with-justredis=pkg-config   only the installed library; --with-justredis=cargo: only the sources
#   JUSTREDIS_ARCHIVE=/path/to/libjustredis.a JUSTREDIS_INCLUDE=/path/to/include   neither
require "mkmf"

HERE = File.expand_path(__dir__)
PACKAGED = File.expand_path("../../library", HERE)
REPOSITORY = File.expand_path("../../../..", HERE)
HINT = "justredis needs its library installed, where pkg-config finds it, or Rust 1.88 or newer (https://rustup.rs)"
WAY = with_config("justredis", "any").to_s

def root
  found = [PACKAGED, REPOSITORY].find { |folder| File.exist?(File.join(folder, "Cargo.toml")) }
  found || abort("#{HINT}: the sources of the library are neither in #{PACKAGED} nor in #{REPOSITORY}")
end

def build_archive(folder)
  path = [File.join(Dir.home, ".cargo/bin"), ENV.fetch("PATH", "")].join(File::PATH_SEPARATOR)
  command = if File.exist?(File.join(folder, "scripts/build"))
              [File.join(folder, "scripts/build"), "--quiet"]
            else
              %w[cargo rustc --release --locked --lib --crate-type staticlib]
            end
  message "building the library by cargo, which takes some minutes\n"
  system({ "PATH" => path }, *command, chdir: folder) || abort("#{HINT}: cargo failed")
  File.join(File.expand_path(ENV.fetch("CARGO_TARGET_DIR", "target"), folder), "release/libjustredis.a")
end

def link_archive(archive, include)
  File.exist?(archive) || abort("there is no #{archive}")
  append_cflags("-I#{include}")
  # The library's names stay inside; its threads outlive a dlclose, so that it is never unloaded.
  $LOCAL_LIBS << " #{archive}"
  $libs << " -lgcc_s -lutil -lrt -lpthread -lm -ldl"
  $DLDFLAGS << " -Wl,--exclude-libs,ALL -Wl,-z,nodelete -Wl,--gc-sections"
end

# Not pkg_config of mkmf, which leaves out where a library in a folder of its own is found at run time.
def link_installed
  pkg_config = find_executable("pkg-config") || return
  say = ->(*option) { IO.popen([pkg_config, *option, "justredis"], err: File::NULL, &:read).strip }
  return if say["--modversion"].empty?

  append_cflags(say["--cflags"]) unless say["--cflags"].empty?
  $libs << " #{say["--libs"]}"
  folder = say["--variable=libdir"]
  $DLDFLAGS << " -Wl,-z,nodelete -Wl,-rpath,#{folder}"
  message "using the library in #{folder}\n"
  true
end

if ENV["JUSTREDIS_ARCHIVE"]
  link_archive(ENV["JUSTREDIS_ARCHIVE"], ENV.fetch("JUSTREDIS_INCLUDE") { File.join(root, "include") })
elsif WAY == "cargo" || !link_installed
  abort(HINT) if WAY == "pkg-config"
  folder = root
  link_archive(build_archive(folder), File.join(folder, "include"))
end

append_cflags("-std=gnu11")
append_cflags("-fvisibility=hidden")
append_cflags("-Wall")
$CFLAGS << " -Wextra"
append_cflags("-Wno-unused-parameter")
append_cflags("-Wno-declaration-after-statement")
append_cflags("-Werror") if ENV["JUSTREDIS_STRICT"]
if ENV["JUSTREDIS_SANITIZE"]
  # Of the heap alone: Ruby jumps over frames without telling.
  $CFLAGS << " -fsanitize=#{ENV["JUSTREDIS_SANITIZE"]} --param asan-stack=0 -fno-omit-frame-pointer -g -O1"
  $DLDFLAGS << " -fsanitize=#{ENV["JUSTREDIS_SANITIZE"]}"
end
create_makefile("justredis/native")
