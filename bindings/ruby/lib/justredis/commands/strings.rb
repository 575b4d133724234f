# frozen_string_literal: true

class JustRedis
  # Strings, bits and HyperLogLogs.
  module Commands
    # @return [String, nil]
    def get(key)
      issue(["GET", key])
    end

    # @param ex [Integer] seconds to live; px: milliseconds; exat, pxat: when it ends; keepttl: as before
    # @param nx [Boolean] only if there is none; xx: only if there is one
    # @param get [Boolean] gives the old value
    # @return [String, Boolean, nil] "OK"; whether it was set, with nx or xx; the old value, with get
    def set(key, value, ex: nil, px: nil, exat: nil, pxat: nil, nx: nil, xx: nil, keepttl: nil, get: nil)
      words = ["SET", key, text(value)]
      expiry(words, ex, px, exat, pxat)
      words << "NX" if nx
      words << "XX" if xx
      words << "KEEPTTL" if keepttl
      words << "GET" if get
      issue(words, (nx || xx) && !get ? Shapes::WAS_SET : nil)
    end

    # @return [String] "OK"
    def setex(key, seconds, value)
      issue(["SETEX", key, seconds, text(value)])
    end

    # @return [String] "OK"
    def psetex(key, milliseconds, value)
      issue(["PSETEX", key, milliseconds, text(value)])
    end

    # @return [Boolean] whether it was set
    def setnx(key, value)
      issue(["SETNX", key, text(value)], Shapes::BOOLEAN)
    end

    # @param pairs [Array, Hash] keys and values
    # @return [String] "OK"
    def mset(*pairs)
      issue(["MSET", *pairs])
    end

    # @return [String] "OK"
    def mapped_mset(hash)
      issue(["MSET", hash])
    end

    # @return [Boolean] whether they were set
    def msetnx(*pairs)
      issue(["MSETNX", *pairs], Shapes::BOOLEAN)
    end

    # @return [Boolean] whether they were set
    def mapped_msetnx(hash)
      msetnx(hash)
    end

    # @return [Array<String, nil>]
    def mget(*keys)
      issue(["MGET", *keys])
    end

    # @return [Hash] each key with its value
    def mapped_mget(*keys)
      keys = keys.flatten
      issue(["MGET", *keys], ->(values) { keys.zip(values).to_h })
    end

    # @return [String, nil]
    def getset(key, value)
      issue(["GETSET", key, text(value)])
    end

    # @return [String, nil]
    def getex(key, ex: nil, px: nil, exat: nil, pxat: nil, persist: false)
      words = ["GETEX", key]
      expiry(words, ex, px, exat, pxat)
      words << "PERSIST" if persist
      issue(words)
    end

    # @return [Integer] the new length
    def setrange(key, offset, value)
      issue(["SETRANGE", key, offset, text(value)])
    end

    # @return [Float]
    def incrbyfloat(key, increment)
      issue(["INCRBYFLOAT", key, increment], Shapes::FLOAT)
    end

    # @param scale [String, nil] "BYTE" or "BIT": what start and stop count
    # @return [Integer]
    def bitcount(key, start = 0, stop = -1, scale: nil)
      issue(["BITCOUNT", key, start, stop, *scale])
    end

    # @return [Integer]
    def bitpos(key, bit, start = nil, stop = nil, scale: nil)
      raise ArgumentError, "there is a stop, but no start" if stop && start.nil?

      issue(["BITPOS", key, bit, *start, *stop, *scale])
    end

    # @return [Boolean] whether it has changed
    def pfadd(key, *members)
      issue(["PFADD", key, *members], Shapes::BOOLEAN)
    end

    # @return [Boolean] true
    def pfmerge(destination, *sources)
      issue(["PFMERGE", destination, *sources], Shapes::WAS_SET)
    end

    private

    # A value that is stored is made a String, as redis-rb does; what is one already is left alone.
    def text(value)
      value.is_a?(String) ? value : value.to_s
    end

    def expiry(words, seconds, milliseconds, second, millisecond)
      words << "EX" << seconds if seconds
      words << "PX" << milliseconds if milliseconds
      words << "EXAT" << second if second
      words << "PXAT" << millisecond if millisecond
    end
  end
end
