# frozen_string_literal: true

class JustRedis
  # Scripts. EVAL goes out as EVALSHA by itself as soon as the server has the script.
  module Commands
    # @example
    #   redis.eval("return redis.call('GET', KEYS[1])", ["key"])
    #   redis.eval("return ARGV", keys: [], argv: [1, 2])
    def eval(script, old_keys = nil, old_argv = nil, keys: old_keys, argv: old_argv)
      run_script("EVAL", script, keys, argv)
    end

    # As {#eval}; a replica may run it.
    def eval_ro(script, old_keys = nil, old_argv = nil, keys: old_keys, argv: old_argv)
      run_script("EVAL_RO", script, keys, argv)
    end

    # @param sha [String] the digest of a script that the server holds
    def evalsha(sha, old_keys = nil, old_argv = nil, keys: old_keys, argv: old_argv)
      run_script("EVALSHA", sha, keys, argv)
    end

    # As {#evalsha}; a replica may run it.
    def evalsha_ro(sha, old_keys = nil, old_argv = nil, keys: old_keys, argv: old_argv)
      run_script("EVALSHA_RO", sha, keys, argv)
    end

    # As {#eval}, of a function that was loaded with FUNCTION LOAD.
    def fcall(name, old_keys = nil, old_argv = nil, keys: old_keys, argv: old_argv)
      run_script("FCALL", name, keys, argv)
    end

    # As {#fcall}; a replica may run it.
    def fcall_ro(name, old_keys = nil, old_argv = nil, keys: old_keys, argv: old_argv)
      run_script("FCALL_RO", name, keys, argv)
    end

    # @param subcommand [String, Symbol] `:load`, `:exists`, `:flush`, `:kill`
    # @return [Object] of `:exists` a Boolean, or an array of them for an array
    def script(subcommand, *args)
      return issue(["SCRIPT", subcommand, *args]) unless subcommand.to_s.casecmp?("exists")

      one = args.size == 1 && !args.first.is_a?(Array)
      issue(["SCRIPT", "EXISTS", *args], ->(found) { one ? found.first.positive? : Shapes::BOOLEANS.call(found) })
    end

    private

    def run_script(command, script, keys, argv)
      keys = Array(keys)
      issue([command, script, keys.size, keys, Array(argv)])
    end
  end
end
