# frozen_string_literal: true

# The client under the name of redis-rb, for programs that are written for that: `Redis.new(url: ...)`.
require "justredis"

raise LoadError, "there is a class Redis already: justredis/redis takes the place of the gem redis" if defined?(Redis)

# {JustRedis} under the name of redis-rb, with the names of its errors. Without options it takes the variable REDIS_URL.
class Redis < JustRedis
  BaseError = JustRedis::Error
  CommandError = JustRedis::ReplyError
  InheritedError = JustRedis::ForkedError
  InvalidClientOptionError = JustRedis::ConfigError

  # @param options [Hash] those of redis-rb and those of {JustRedis}
  def initialize(options = {}, **more)
    options = options.merge(more)
    url = options.delete(:url)
    url ||= ENV.fetch("REDIS_URL", nil) unless %i[host port path sentinels cluster nodes].any? { |name| options[name] }
    super(url: url, **options)
  end
end
