# frozen_string_literal: true

class JustRedis
  # Streams. Entries are pairs of an id and a Hash.
  module Commands
    # @param entry [Hash]
    # @return [String, nil] the id of the entry
    def xadd(key, entry, approximate: nil, maxlen: nil, minid: nil, nomkstream: nil, id: "*")
      words = ["XADD", key]
      words << "NOMKSTREAM" if nomkstream
      words.push("MAXLEN", *("~" if approximate), maxlen) if maxlen
      words.push("MINID", *("~" if approximate), minid) if minid
      issue(words.push(id, entry))
    end

    # @param strategy [String] "MAXLEN" or "MINID"
    # @return [Integer] how many entries are gone
    def xtrim(key, threshold, strategy: "MAXLEN", approximate: false, limit: nil)
      words = ["XTRIM", key, strategy, *("~" if approximate), threshold]
      words << "LIMIT" << limit if limit
      issue(words)
    end

    # @return [Array] entries
    def xrange(key, start = "-", stop = "+", count: nil)
      issue(["XRANGE", key, start, stop, *(["COUNT", count] if count)], Shapes::ENTRIES)
    end

    # @return [Array] entries
    def xrevrange(key, stop = "+", start = "-", count: nil)
      issue(["XREVRANGE", key, stop, start, *(["COUNT", count] if count)], Shapes::ENTRIES)
    end

    # @param block [Integer, nil] how many milliseconds the server waits; 0: as long as it takes
    # @return [Hash] of each stream the entries
    def xread(keys, ids, count: nil, block: nil)
      words = ["XREAD"]
      words << "COUNT" << count if count
      words << "BLOCK" << block.to_i if block
      issue(words.push("STREAMS", keys, ids), Shapes::STREAMS)
    end

    # @return [Hash] of each stream the entries
    def xreadgroup(group, consumer, keys, ids, count: nil, block: nil, noack: nil)
      words = ["XREADGROUP", "GROUP", group, consumer]
      words << "COUNT" << count if count
      words << "BLOCK" << block.to_i if block
      words << "NOACK" if noack
      issue(words.push("STREAMS", keys, ids), Shapes::STREAMS)
    end

    # @return [Object] as the server answers
    def xgroup(subcommand, key, group, id_or_consumer = nil, mkstream: false)
      issue(["XGROUP", subcommand, key, group, *id_or_consumer, *("MKSTREAM" if mkstream)])
    end

    # @return [Hash, Array<Hash>]
    def xinfo(subcommand, key, group = nil)
      shape = subcommand.to_s.casecmp?("stream") ? Shapes::HASH : Shapes::HASHES
      issue(["XINFO", subcommand, key, *group], shape)
    end

    # @return [Array] entries, or ids with `justid`
    def xclaim(key, group, consumer, idle, *ids, **options)
      words = ["XCLAIM", key, group, consumer, idle, *ids]
      words << "IDLE" << options[:idle].to_i if options[:idle]
      words << "TIME" << options[:time].to_i if options[:time]
      words << "RETRYCOUNT" << options[:retrycount] if options[:retrycount]
      words << "FORCE" if options[:force]
      words << "JUSTID" if options[:justid]
      issue(words, options[:justid] ? nil : Shapes::ENTRIES)
    end

    # @return [Hash] "next" and "entries"
    def xautoclaim(key, group, consumer, idle, start, count: nil, justid: false)
      words = ["XAUTOCLAIM", key, group, consumer, idle, start]
      words << "COUNT" << count if count
      words << "JUSTID" if justid
      issue(words, justid ? Shapes::CLAIMED_IDS : Shapes::CLAIMED)
    end

    # @param args nothing, or start, end, count and perhaps a consumer
    # @return [Hash, Array<Hash>] a summary; with arguments, what is pending
    def xpending(key, group, *args, idle: nil)
      words = ["XPENDING", key, group]
      words << "IDLE" << idle if idle
      issue(words.concat(args), args.empty? ? Shapes::PENDING : Shapes::PENDING_ENTRIES)
    end
  end
end
