# frozen_string_literal: true

# The version is that of the library: of the repository, or of the sources that the gem carries (see package).
manifests = %w[library/Cargo.toml ../../Cargo.toml].map { |file| File.join(__dir__, file) }
manifest = manifests.find { |file| File.exist?(file) }

Gem::Specification.new do |gem|
  gem.name = "justredis"
  gem.version = File.read(manifest)[/^version *= *"(.*)"/, 1]
  gem.summary = "A multiplexing client of Redis and Valkey"
  gem.description = "All threads and fibers share one client, and every command is pipelined. Method names of redis-rb."
  gem.authors = ["The authors of justredis"]
  gem.licenses = ["MIT", "Apache-2.0"]
  gem.required_ruby_version = ">= 3.1"
  gem.extensions = ["ext/justredis/extconf.rb"]
  gem.require_paths = ["lib"]
  gem.files = Dir.chdir(__dir__) do
    Dir["{lib,ext,examples}/**/*.{rb,c,h}", "library/**/*", "README.md", "LICENSE-*"].select { |file| File.file?(file) }
  end
  gem.extra_rdoc_files = ["README.md"]
  gem.rdoc_options = ["--main", "README.md"]
  gem.metadata["rubygems_mfa_required"] = "true"
end
