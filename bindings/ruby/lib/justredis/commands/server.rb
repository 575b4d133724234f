# frozen_string_literal: true

class JustRedis
  # The server and its clients, and places on the earth.
  module Commands
    # @return [String] "PONG", or the message
    def ping(message = nil)
      issue(["PING", *message])
    end

    # @param section [String, Symbol, nil] such as `:memory`
    # @return [Hash] of `:commandstats` a Hash of Hashes
    def info(section = nil)
      issue(["INFO", *section], section.to_s == "commandstats" ? Shapes::COMMAND_STATISTICS : Shapes::INFO)
    end

    # @param action [String, Symbol] `:get`, `:set`, `:resetstat`, `:rewrite`
    # @return [Object] of `:get` a Hash
    def config(action, *args)
      issue(["CONFIG", action, *args], action.to_s.casecmp?("get") ? Shapes::HASH : nil)
    end

    # @param subcommand [String, Symbol] such as `:list`, `:id`, `:kill`
    # @return [Object] of `:list` an array of Hashes
    def client(subcommand, *args)
      issue(["CLIENT", subcommand, *args], subcommand.to_s.casecmp?("list") ? Shapes::CLIENTS : nil)
    end

    # @return [String] "OK"
    def flushall(async: false)
      issue(["FLUSHALL", *("ASYNC" if async)])
    end

    # @return [String] "OK"
    def flushdb(async: false)
      issue(["FLUSHDB", *("ASYNC" if async)])
    end

    # @return [Array<Integer>] seconds and microseconds
    def time
      issue(["TIME"], Shapes::INTEGERS)
    end

    # @return [Object] as the server answers; of "slots", "nodes" and their kin too
    def cluster(subcommand, *args)
      issue(["CLUSTER", subcommand, *args], subcommand.to_s.casecmp?("info") ? Shapes::INFO : nil)
    end

    # Of a client whose server is a sentinel.
    # @return [Object] Hashes where the server tells of servers
    def sentinel(subcommand, *args)
      issue(["SENTINEL", subcommand, *args], Shapes::SENTINEL)
    end

    # @param options [String, Array, nil] such as "WITHDIST"
    def georadius(*args, options: nil, sort: nil, count: nil)
      issue(["GEORADIUS", *geo_words(args, options, sort, count)])
    end

    # @param options [String, Array, nil] such as "WITHDIST"
    def georadiusbymember(*args, options: nil, sort: nil, count: nil)
      issue(["GEORADIUSBYMEMBER", *geo_words(args, options, sort, count)])
    end

    # @param unit [String] "m", "km", "mi" or "ft"
    # @return [String, nil]
    def geodist(key, member1, member2, unit = "m")
      issue(["GEODIST", key, member1, member2, unit])
    end

    private

    def geo_words(args, options, sort, count)
      [*args, *sort, *(["COUNT", count] if count), *options]
    end
  end
end
