# frozen_string_literal: true

class JustRedis
  # Sorted sets. Scores are Floats.
  module Commands
    # @param args a score and a member, or an array of such pairs
    # @return [Boolean, Integer, Float] whether it is new; of an array, how many are; with `incr`, the new score
    def zadd(key, *args, nx: nil, xx: nil, lt: nil, gt: nil, ch: nil, incr: nil)
      words = ["ZADD", key, *conditions(nx, xx, gt, lt)]
      words << "CH" if ch
      words << "INCR" if incr
      case args
      in [Array => pairs] then return 0 if pairs.empty? && is_a?(Requests)
      in [_, _] then nil
      else raise ArgumentError, "zadd takes a score and a member, or an array of such pairs"
      end
      issue(words.concat(args), incr ? Shapes::FLOAT : (Shapes::BOOLEAN if args.size == 2))
    end

    # @return [Float]
    def zincrby(key, increment, member)
      issue(["ZINCRBY", key, increment, member], Shapes::FLOAT)
    end

    # @return [Boolean, Integer] whether it was there; of an array, how many were
    def zrem(key, member)
      return issue(["ZREM", key, member], Shapes::BOOLEAN) unless member.is_a?(Array)

      member.empty? && is_a?(Requests) ? 0 : issue(["ZREM", key, member])
    end

    # @return [Array, nil] the member and its score; with a count above 1 an array of such
    def zpopmax(key, count = nil)
      issue(["ZPOPMAX", key, *count], count.to_i > 1 ? Shapes::SCORES : Shapes::ONE_SCORE)
    end

    # @return [Array, nil] the member and its score; with a count above 1 an array of such
    def zpopmin(key, count = nil)
      issue(["ZPOPMIN", key, *count], count.to_i > 1 ? Shapes::SCORES : Shapes::ONE_SCORE)
    end

    # @return [Array, nil] the key, the member and its score
    def bzpopmax(*keys, timeout: nil)
      issue(blocking_words("BZPOPMAX", keys, timeout), Shapes::KEY_AND_SCORE)
    end

    # @return [Array, nil] the key, the member and its score
    def bzpopmin(*keys, timeout: nil)
      issue(blocking_words("BZPOPMIN", keys, timeout), Shapes::KEY_AND_SCORE)
    end

    # @return [Array, nil] the key, and pairs of member and score
    def zmpop(*keys, modifier: "MIN", count: nil)
      issue(pop_words(["ZMPOP"], keys, modifier.to_s.upcase, count), Shapes::KEY_AND_SCORES)
    end

    # @return [Array, nil] the key, and pairs of member and score
    def bzmpop(timeout, *keys, modifier: "MIN", count: nil)
      issue(pop_words(["BZMPOP", timeout], keys, modifier.to_s.upcase, count), Shapes::KEY_AND_SCORES)
    end

    # @return [Float, nil]
    def zscore(key, member)
      issue(["ZSCORE", key, member], Shapes::FLOAT)
    end

    # @return [Array<Float, nil>]
    def zmscore(key, *members)
      issue(["ZMSCORE", key, *members], Shapes::FLOATS)
    end

    # @return [String, Array<String>, Array<Array>] pairs, with scores
    def zrandmember(key, count = nil, withscores: false, with_scores: withscores)
      raise ArgumentError, "with scores there has to be a count" if with_scores && count.nil?

      with_scores(["ZRANDMEMBER", key, *count], with_scores)
    end

    # @return [Array<String>, Array<Array>] pairs, with scores
    def zrange(key, start, stop, byscore: false, by_score: byscore, bylex: false, by_lex: bylex, rev: false, limit: nil,
               withscores: false, with_scores: withscores)
      with_scores(range_words(["ZRANGE", key, start, stop], by_score, by_lex, rev, limit), with_scores)
    end

    # @return [Integer] how many there are
    def zrangestore(destination, source, start, stop, byscore: false, by_score: byscore, bylex: false, by_lex: bylex,
                    rev: false, limit: nil)
      issue(range_words(["ZRANGESTORE", destination, source, start, stop], by_score, by_lex, rev, limit))
    end

    # @return [Array<String>, Array<Array>] pairs, with scores
    def zrevrange(key, start, stop, withscores: false, with_scores: withscores)
      with_scores(["ZREVRANGE", key, start, stop], with_scores)
    end

    # @return [Array<String>, Array<Array>] pairs, with scores
    def zrangebyscore(key, min, max, withscores: false, with_scores: withscores, limit: nil)
      with_scores(range_words(["ZRANGEBYSCORE", key, min, max], false, false, false, limit), with_scores)
    end

    # @return [Array<String>, Array<Array>] pairs, with scores
    def zrevrangebyscore(key, max, min, withscores: false, with_scores: withscores, limit: nil)
      with_scores(range_words(["ZREVRANGEBYSCORE", key, max, min], false, false, false, limit), with_scores)
    end

    # @return [Array<String>]
    def zrangebylex(key, min, max, limit: nil)
      issue(range_words(["ZRANGEBYLEX", key, min, max], false, false, false, limit))
    end

    # @return [Array<String>]
    def zrevrangebylex(key, max, min, limit: nil)
      issue(range_words(["ZREVRANGEBYLEX", key, max, min], false, false, false, limit))
    end

    # @return [Integer, Array, nil] the rank; with its score, both
    def zrank(key, member, withscore: false, with_score: withscore)
      issue(["ZRANK", key, member, *("WITHSCORE" if with_score)])
    end

    # @return [Integer, Array, nil] the rank; with its score, both
    def zrevrank(key, member, withscore: false, with_score: withscore)
      issue(["ZREVRANK", key, member, *("WITHSCORE" if with_score)])
    end

    # @return [Array<String>, Array<Array>] pairs, with scores
    def zinter(*keys, weights: nil, aggregate: nil, with_scores: false)
      with_scores(several_words(["ZINTER"], keys, weights, aggregate), with_scores)
    end

    # @return [Array<String>, Array<Array>] pairs, with scores
    def zunion(*keys, weights: nil, aggregate: nil, with_scores: false)
      with_scores(several_words(["ZUNION"], keys, weights, aggregate), with_scores)
    end

    # @return [Array<String>, Array<Array>] pairs, with scores
    def zdiff(*keys, with_scores: false)
      with_scores(several_words(["ZDIFF"], keys, nil, nil), with_scores)
    end

    # @return [Integer] how many there are
    def zinterstore(destination, *keys, weights: nil, aggregate: nil)
      issue(several_words(["ZINTERSTORE", destination], keys, weights, aggregate))
    end

    # @return [Integer] how many there are
    def zunionstore(destination, *keys, weights: nil, aggregate: nil)
      issue(several_words(["ZUNIONSTORE", destination], keys, weights, aggregate))
    end

    # @return [Integer] how many there are
    def zdiffstore(destination, *keys)
      issue(several_words(["ZDIFFSTORE", destination], keys, nil, nil))
    end

    # @return [Array] the next cursor, and pairs of member and score
    def zscan(key, cursor, match: nil, count: nil)
      issue(scan_words(["ZSCAN", key, cursor], match, count), Shapes::SCAN_SCORES)
    end

    # @yieldparam pair [Array] a member and its score
    # @return [Enumerator] without a block
    def zscan_each(key, **options, &block)
      return to_enum(:zscan_each, key, **options) unless block

      scan_all(block) { |cursor| zscan(key, cursor, **options) }
    end

    private

    def with_scores(words, wanted)
      wanted ? issue(words << "WITHSCORES", Shapes::SCORES) : issue(words)
    end

    def range_words(words, by_score, by_lex, rev, limit)
      raise ArgumentError, "by score or by lex, not both" if by_score && by_lex

      words << "BYSCORE" if by_score
      words << "BYLEX" if by_lex
      words << "REV" if rev
      words << "LIMIT" << limit if limit
      words
    end

    def several_words(words, keys, weights, aggregate)
      keys = keys.flatten
      words.push(keys.size, *keys)
      words << "WEIGHTS" << weights if weights
      words << "AGGREGATE" << aggregate if aggregate
      words
    end
  end
end
