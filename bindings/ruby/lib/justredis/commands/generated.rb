# frozen_string_literal: true

class JustRedis
  # Commands whose words and answers are those of the server. Written by bindings/ruby/generate: change that.
  module Commands
    # The commands of {https://redis.io/commands/?name=acl ACL}.
    # @param subcommand [String, Symbol] such as `:help`
    def acl(subcommand, *words)
      issue(["ACL", subcommand, *words])
    end

    # The command {https://redis.io/commands/append APPEND}, answered as the server does.
    def append(*words)
      issue(["APPEND", *words])
    end

    # The command {https://redis.io/commands/arcount ARCOUNT}, answered as the server does.
    def arcount(*words)
      issue(["ARCOUNT", *words])
    end

    # The command {https://redis.io/commands/ardel ARDEL}, answered as the server does.
    def ardel(*words)
      issue(["ARDEL", *words])
    end

    # The command {https://redis.io/commands/ardelrange ARDELRANGE}, answered as the server does.
    def ardelrange(*words)
      issue(["ARDELRANGE", *words])
    end

    # The command {https://redis.io/commands/arget ARGET}, answered as the server does.
    def arget(*words)
      issue(["ARGET", *words])
    end

    # The command {https://redis.io/commands/argetrange ARGETRANGE}, answered as the server does.
    def argetrange(*words)
      issue(["ARGETRANGE", *words])
    end

    # The command {https://redis.io/commands/argrep ARGREP}, answered as the server does.
    def argrep(*words)
      issue(["ARGREP", *words])
    end

    # The command {https://redis.io/commands/arinfo ARINFO}, answered as the server does.
    def arinfo(*words)
      issue(["ARINFO", *words])
    end

    # The command {https://redis.io/commands/arinsert ARINSERT}, answered as the server does.
    def arinsert(*words)
      issue(["ARINSERT", *words])
    end

    # The command {https://redis.io/commands/arlastitems ARLASTITEMS}, answered as the server does.
    def arlastitems(*words)
      issue(["ARLASTITEMS", *words])
    end

    # The command {https://redis.io/commands/arlen ARLEN}, answered as the server does.
    def arlen(*words)
      issue(["ARLEN", *words])
    end

    # The command {https://redis.io/commands/armget ARMGET}, answered as the server does.
    def armget(*words)
      issue(["ARMGET", *words])
    end

    # The command {https://redis.io/commands/armset ARMSET}, answered as the server does.
    def armset(*words)
      issue(["ARMSET", *words])
    end

    # The command {https://redis.io/commands/arnext ARNEXT}, answered as the server does.
    def arnext(*words)
      issue(["ARNEXT", *words])
    end

    # The command {https://redis.io/commands/arop AROP}, answered as the server does.
    def arop(*words)
      issue(["AROP", *words])
    end

    # The command {https://redis.io/commands/arring ARRING}, answered as the server does.
    def arring(*words)
      issue(["ARRING", *words])
    end

    # The command {https://redis.io/commands/arscan ARSCAN}, answered as the server does.
    def arscan(*words)
      issue(["ARSCAN", *words])
    end

    # The command {https://redis.io/commands/arseek ARSEEK}, answered as the server does.
    def arseek(*words)
      issue(["ARSEEK", *words])
    end

    # The command {https://redis.io/commands/arset ARSET}, answered as the server does.
    def arset(*words)
      issue(["ARSET", *words])
    end

    # The commands of {https://redis.io/commands/?name=backup BACKUP}.
    # @param subcommand [String, Symbol] such as `:help`
    def backup(subcommand, *words)
      issue(["BACKUP", subcommand, *words])
    end

    # The command {https://redis.io/commands/bf.add BF.ADD}, answered as the server does.
    def bf_add(*words)
      issue(["BF.ADD", *words])
    end

    # The command {https://redis.io/commands/bf.card BF.CARD}, answered as the server does.
    def bf_card(*words)
      issue(["BF.CARD", *words])
    end

    # The command {https://redis.io/commands/bf.debug BF.DEBUG}, answered as the server does.
    def bf_debug(*words)
      issue(["BF.DEBUG", *words])
    end

    # The command {https://redis.io/commands/bf.exists BF.EXISTS}, answered as the server does.
    def bf_exists(*words)
      issue(["BF.EXISTS", *words])
    end

    # The command {https://redis.io/commands/bf.info BF.INFO}, answered as the server does.
    def bf_info(*words)
      issue(["BF.INFO", *words])
    end

    # The command {https://redis.io/commands/bf.insert BF.INSERT}, answered as the server does.
    def bf_insert(*words)
      issue(["BF.INSERT", *words])
    end

    # The command {https://redis.io/commands/bf.load BF.LOAD}, answered as the server does.
    def bf_load(*words)
      issue(["BF.LOAD", *words])
    end

    # The command {https://redis.io/commands/bf.loadchunk BF.LOADCHUNK}, answered as the server does.
    def bf_loadchunk(*words)
      issue(["BF.LOADCHUNK", *words])
    end

    # The command {https://redis.io/commands/bf.madd BF.MADD}, answered as the server does.
    def bf_madd(*words)
      issue(["BF.MADD", *words])
    end

    # The command {https://redis.io/commands/bf.mexists BF.MEXISTS}, answered as the server does.
    def bf_mexists(*words)
      issue(["BF.MEXISTS", *words])
    end

    # The command {https://redis.io/commands/bf.reserve BF.RESERVE}, answered as the server does.
    def bf_reserve(*words)
      issue(["BF.RESERVE", *words])
    end

    # The command {https://redis.io/commands/bf.scandump BF.SCANDUMP}, answered as the server does.
    def bf_scandump(*words)
      issue(["BF.SCANDUMP", *words])
    end

    # The command {https://redis.io/commands/bgrewriteaof BGREWRITEAOF}, answered as the server does.
    def bgrewriteaof(*words)
      issue(["BGREWRITEAOF", *words])
    end

    # The command {https://redis.io/commands/bgsave BGSAVE}, answered as the server does.
    def bgsave(*words)
      issue(["BGSAVE", *words])
    end

    # The command {https://redis.io/commands/bitfield BITFIELD}, answered as the server does.
    def bitfield(*words)
      issue(["BITFIELD", *words])
    end

    # The command {https://redis.io/commands/bitfield_ro BITFIELD_RO}, answered as the server does.
    def bitfield_ro(*words)
      issue(["BITFIELD_RO", *words])
    end

    # The command {https://redis.io/commands/bitop BITOP}, answered as the server does.
    def bitop(*words)
      issue(["BITOP", *words])
    end

    # The command {https://redis.io/commands/blmovem BLMOVEM}, answered as the server does.
    def blmovem(*words)
      issue(["BLMOVEM", *words])
    end

    # The command {https://redis.io/commands/cf.add CF.ADD}, answered as the server does.
    def cf_add(*words)
      issue(["CF.ADD", *words])
    end

    # The command {https://redis.io/commands/cf.addnx CF.ADDNX}, answered as the server does.
    def cf_addnx(*words)
      issue(["CF.ADDNX", *words])
    end

    # The command {https://redis.io/commands/cf.compact CF.COMPACT}, answered as the server does.
    def cf_compact(*words)
      issue(["CF.COMPACT", *words])
    end

    # The command {https://redis.io/commands/cf.count CF.COUNT}, answered as the server does.
    def cf_count(*words)
      issue(["CF.COUNT", *words])
    end

    # The command {https://redis.io/commands/cf.debug CF.DEBUG}, answered as the server does.
    def cf_debug(*words)
      issue(["CF.DEBUG", *words])
    end

    # The command {https://redis.io/commands/cf.del CF.DEL}, answered as the server does.
    def cf_del(*words)
      issue(["CF.DEL", *words])
    end

    # The command {https://redis.io/commands/cf.exists CF.EXISTS}, answered as the server does.
    def cf_exists(*words)
      issue(["CF.EXISTS", *words])
    end

    # The command {https://redis.io/commands/cf.info CF.INFO}, answered as the server does.
    def cf_info(*words)
      issue(["CF.INFO", *words])
    end

    # The command {https://redis.io/commands/cf.insert CF.INSERT}, answered as the server does.
    def cf_insert(*words)
      issue(["CF.INSERT", *words])
    end

    # The command {https://redis.io/commands/cf.insertnx CF.INSERTNX}, answered as the server does.
    def cf_insertnx(*words)
      issue(["CF.INSERTNX", *words])
    end

    # The command {https://redis.io/commands/cf.loadchunk CF.LOADCHUNK}, answered as the server does.
    def cf_loadchunk(*words)
      issue(["CF.LOADCHUNK", *words])
    end

    # The command {https://redis.io/commands/cf.mexists CF.MEXISTS}, answered as the server does.
    def cf_mexists(*words)
      issue(["CF.MEXISTS", *words])
    end

    # The command {https://redis.io/commands/cf.reserve CF.RESERVE}, answered as the server does.
    def cf_reserve(*words)
      issue(["CF.RESERVE", *words])
    end

    # The command {https://redis.io/commands/cf.scandump CF.SCANDUMP}, answered as the server does.
    def cf_scandump(*words)
      issue(["CF.SCANDUMP", *words])
    end

    # The command {https://redis.io/commands/clusterscan CLUSTERSCAN}, answered as the server does.
    def clusterscan(*words)
      issue(["CLUSTERSCAN", *words])
    end

    # The command {https://redis.io/commands/cms.incrby CMS.INCRBY}, answered as the server does.
    def cms_incrby(*words)
      issue(["CMS.INCRBY", *words])
    end

    # The command {https://redis.io/commands/cms.info CMS.INFO}, answered as the server does.
    def cms_info(*words)
      issue(["CMS.INFO", *words])
    end

    # The command {https://redis.io/commands/cms.initbydim CMS.INITBYDIM}, answered as the server does.
    def cms_initbydim(*words)
      issue(["CMS.INITBYDIM", *words])
    end

    # The command {https://redis.io/commands/cms.initbyprob CMS.INITBYPROB}, answered as the server does.
    def cms_initbyprob(*words)
      issue(["CMS.INITBYPROB", *words])
    end

    # The command {https://redis.io/commands/cms.merge CMS.MERGE}, answered as the server does.
    def cms_merge(*words)
      issue(["CMS.MERGE", *words])
    end

    # The command {https://redis.io/commands/cms.query CMS.QUERY}, answered as the server does.
    def cms_query(*words)
      issue(["CMS.QUERY", *words])
    end

    # The commands of {https://redis.io/commands/?name=command COMMAND}.
    # @param subcommand [String, Symbol] such as `:help`
    def command(subcommand, *words)
      issue(["COMMAND", subcommand, *words])
    end

    # The commands of {https://redis.io/commands/?name=commandlog COMMANDLOG}.
    # @param subcommand [String, Symbol] such as `:help`
    def commandlog(subcommand, *words)
      issue(["COMMANDLOG", subcommand, *words])
    end

    # The command {https://redis.io/commands/dbsize DBSIZE}, answered as the server does.
    def dbsize(*words)
      issue(["DBSIZE", *words])
    end

    # The command {https://redis.io/commands/debug DEBUG}, answered as the server does.
    def debug(*words)
      issue(["DEBUG", *words])
    end

    # The command {https://redis.io/commands/decr DECR}, answered as the server does.
    def decr(*words)
      issue(["DECR", *words])
    end

    # The command {https://redis.io/commands/decrby DECRBY}, answered as the server does.
    def decrby(*words)
      issue(["DECRBY", *words])
    end

    # The command {https://redis.io/commands/delex DELEX}, answered as the server does.
    def delex(*words)
      issue(["DELEX", *words])
    end

    # The command {https://redis.io/commands/delifeq DELIFEQ}, answered as the server does.
    def delifeq(*words)
      issue(["DELIFEQ", *words])
    end

    # The command {https://redis.io/commands/digest DIGEST}, answered as the server does.
    def digest(*words)
      issue(["DIGEST", *words])
    end

    # The command {https://redis.io/commands/dump DUMP}, answered as the server does.
    def dump(*words)
      issue(["DUMP", *words])
    end

    # The command {https://redis.io/commands/echo ECHO}, answered as the server does.
    def echo(*words)
      issue(["ECHO", *words])
    end

    # The command {https://redis.io/commands/expiretime EXPIRETIME}, answered as the server does.
    def expiretime(*words)
      issue(["EXPIRETIME", *words])
    end

    # The command {https://redis.io/commands/failover FAILOVER}, answered as the server does.
    def failover(*words)
      issue(["FAILOVER", *words])
    end

    # The command {https://redis.io/commands/ft.add FT.ADD}, answered as the server does.
    def ft_add(*words)
      issue(["FT.ADD", *words])
    end

    # The command {https://redis.io/commands/ft.aggregate FT.AGGREGATE}, answered as the server does.
    def ft_aggregate(*words)
      issue(["FT.AGGREGATE", *words])
    end

    # The command {https://redis.io/commands/ft.aliasadd FT.ALIASADD}, answered as the server does.
    def ft_aliasadd(*words)
      issue(["FT.ALIASADD", *words])
    end

    # The command {https://redis.io/commands/ft.aliasdel FT.ALIASDEL}, answered as the server does.
    def ft_aliasdel(*words)
      issue(["FT.ALIASDEL", *words])
    end

    # The command {https://redis.io/commands/ft.aliaslist FT.ALIASLIST}, answered as the server does.
    def ft_aliaslist(*words)
      issue(["FT.ALIASLIST", *words])
    end

    # The command {https://redis.io/commands/ft.aliasupdate FT.ALIASUPDATE}, answered as the server does.
    def ft_aliasupdate(*words)
      issue(["FT.ALIASUPDATE", *words])
    end

    # The command {https://redis.io/commands/ft.alter FT.ALTER}, answered as the server does.
    def ft_alter(*words)
      issue(["FT.ALTER", *words])
    end

    # The commands of {https://redis.io/commands/?name=ft.config FT.CONFIG}.
    # @param subcommand [String, Symbol] such as `:help`
    def ft_config(subcommand, *words)
      issue(["FT.CONFIG", subcommand, *words])
    end

    # The command {https://redis.io/commands/ft.create FT.CREATE}, answered as the server does.
    def ft_create(*words)
      issue(["FT.CREATE", *words])
    end

    # The commands of {https://redis.io/commands/?name=ft.cursor FT.CURSOR}.
    # @param subcommand [String, Symbol] such as `:help`
    def ft_cursor(subcommand, *words)
      issue(["FT.CURSOR", subcommand, *words])
    end

    # The command {https://redis.io/commands/ft.del FT.DEL}, answered as the server does.
    def ft_del(*words)
      issue(["FT.DEL", *words])
    end

    # The command {https://redis.io/commands/ft.dictadd FT.DICTADD}, answered as the server does.
    def ft_dictadd(*words)
      issue(["FT.DICTADD", *words])
    end

    # The command {https://redis.io/commands/ft.dictdel FT.DICTDEL}, answered as the server does.
    def ft_dictdel(*words)
      issue(["FT.DICTDEL", *words])
    end

    # The command {https://redis.io/commands/ft.dictdump FT.DICTDUMP}, answered as the server does.
    def ft_dictdump(*words)
      issue(["FT.DICTDUMP", *words])
    end

    # The command {https://redis.io/commands/ft.drop FT.DROP}, answered as the server does.
    def ft_drop(*words)
      issue(["FT.DROP", *words])
    end

    # The command {https://redis.io/commands/ft.dropindex FT.DROPINDEX}, answered as the server does.
    def ft_dropindex(*words)
      issue(["FT.DROPINDEX", *words])
    end

    # The command {https://redis.io/commands/ft.explain FT.EXPLAIN}, answered as the server does.
    def ft_explain(*words)
      issue(["FT.EXPLAIN", *words])
    end

    # The command {https://redis.io/commands/ft.explaincli FT.EXPLAINCLI}, answered as the server does.
    def ft_explaincli(*words)
      issue(["FT.EXPLAINCLI", *words])
    end

    # The command {https://redis.io/commands/ft.get FT.GET}, answered as the server does.
    def ft_get(*words)
      issue(["FT.GET", *words])
    end

    # The command {https://redis.io/commands/ft.hybrid FT.HYBRID}, answered as the server does.
    def ft_hybrid(*words)
      issue(["FT.HYBRID", *words])
    end

    # The command {https://redis.io/commands/ft.info FT.INFO}, answered as the server does.
    def ft_info(*words)
      issue(["FT.INFO", *words])
    end

    # The command {https://redis.io/commands/ft.mget FT.MGET}, answered as the server does.
    def ft_mget(*words)
      issue(["FT.MGET", *words])
    end

    # The command {https://redis.io/commands/ft.profile FT.PROFILE}, answered as the server does.
    def ft_profile(*words)
      issue(["FT.PROFILE", *words])
    end

    # The command {https://redis.io/commands/ft.safeadd FT.SAFEADD}, answered as the server does.
    def ft_safeadd(*words)
      issue(["FT.SAFEADD", *words])
    end

    # The command {https://redis.io/commands/ft.search FT.SEARCH}, answered as the server does.
    def ft_search(*words)
      issue(["FT.SEARCH", *words])
    end

    # The command {https://redis.io/commands/ft.spellcheck FT.SPELLCHECK}, answered as the server does.
    def ft_spellcheck(*words)
      issue(["FT.SPELLCHECK", *words])
    end

    # The command {https://redis.io/commands/ft.sugadd FT.SUGADD}, answered as the server does.
    def ft_sugadd(*words)
      issue(["FT.SUGADD", *words])
    end

    # The command {https://redis.io/commands/ft.sugdel FT.SUGDEL}, answered as the server does.
    def ft_sugdel(*words)
      issue(["FT.SUGDEL", *words])
    end

    # The command {https://redis.io/commands/ft.sugget FT.SUGGET}, answered as the server does.
    def ft_sugget(*words)
      issue(["FT.SUGGET", *words])
    end

    # The command {https://redis.io/commands/ft.suglen FT.SUGLEN}, answered as the server does.
    def ft_suglen(*words)
      issue(["FT.SUGLEN", *words])
    end

    # The command {https://redis.io/commands/ft.synadd FT.SYNADD}, answered as the server does.
    def ft_synadd(*words)
      issue(["FT.SYNADD", *words])
    end

    # The command {https://redis.io/commands/ft.syndump FT.SYNDUMP}, answered as the server does.
    def ft_syndump(*words)
      issue(["FT.SYNDUMP", *words])
    end

    # The command {https://redis.io/commands/ft.synupdate FT.SYNUPDATE}, answered as the server does.
    def ft_synupdate(*words)
      issue(["FT.SYNUPDATE", *words])
    end

    # The command {https://redis.io/commands/ft.tagvals FT.TAGVALS}, answered as the server does.
    def ft_tagvals(*words)
      issue(["FT.TAGVALS", *words])
    end

    # The commands of {https://redis.io/commands/?name=function FUNCTION}.
    # @param subcommand [String, Symbol] such as `:help`
    def function(subcommand, *words)
      issue(["FUNCTION", subcommand, *words])
    end

    # The command {https://redis.io/commands/geoadd GEOADD}, answered as the server does.
    def geoadd(*words)
      issue(["GEOADD", *words])
    end

    # The command {https://redis.io/commands/geohash GEOHASH}, answered as the server does.
    def geohash(*words)
      issue(["GEOHASH", *words])
    end

    # The command {https://redis.io/commands/geopos GEOPOS}, answered as the server does.
    def geopos(*words)
      issue(["GEOPOS", *words])
    end

    # The command {https://redis.io/commands/georadiusbymember_ro GEORADIUSBYMEMBER_RO}, answered as the server does.
    def georadiusbymember_ro(*words)
      issue(["GEORADIUSBYMEMBER_RO", *words])
    end

    # The command {https://redis.io/commands/georadius_ro GEORADIUS_RO}, answered as the server does.
    def georadius_ro(*words)
      issue(["GEORADIUS_RO", *words])
    end

    # The command {https://redis.io/commands/geosearch GEOSEARCH}, answered as the server does.
    def geosearch(*words)
      issue(["GEOSEARCH", *words])
    end

    # The command {https://redis.io/commands/geosearchstore GEOSEARCHSTORE}, answered as the server does.
    def geosearchstore(*words)
      issue(["GEOSEARCHSTORE", *words])
    end

    # The command {https://redis.io/commands/getbit GETBIT}, answered as the server does.
    def getbit(*words)
      issue(["GETBIT", *words])
    end

    # The command {https://redis.io/commands/getdel GETDEL}, answered as the server does.
    def getdel(*words)
      issue(["GETDEL", *words])
    end

    # The command {https://redis.io/commands/getrange GETRANGE}, answered as the server does.
    def getrange(*words)
      issue(["GETRANGE", *words])
    end

    # The command {https://redis.io/commands/hdel HDEL}, answered as the server does.
    def hdel(*words)
      issue(["HDEL", *words])
    end

    # The command {https://redis.io/commands/hexpire HEXPIRE}, answered as the server does.
    def hexpire(*words)
      issue(["HEXPIRE", *words])
    end

    # The command {https://redis.io/commands/hexpireat HEXPIREAT}, answered as the server does.
    def hexpireat(*words)
      issue(["HEXPIREAT", *words])
    end

    # The command {https://redis.io/commands/hexpiretime HEXPIRETIME}, answered as the server does.
    def hexpiretime(*words)
      issue(["HEXPIRETIME", *words])
    end

    # The command {https://redis.io/commands/hget HGET}, answered as the server does.
    def hget(*words)
      issue(["HGET", *words])
    end

    # The command {https://redis.io/commands/hgetdel HGETDEL}, answered as the server does.
    def hgetdel(*words)
      issue(["HGETDEL", *words])
    end

    # The command {https://redis.io/commands/hgetex HGETEX}, answered as the server does.
    def hgetex(*words)
      issue(["HGETEX", *words])
    end

    # The commands of {https://redis.io/commands/?name=himport HIMPORT}.
    # @param subcommand [String, Symbol] such as `:help`
    def himport(subcommand, *words)
      issue(["HIMPORT", subcommand, *words])
    end

    # The command {https://redis.io/commands/hincrby HINCRBY}, answered as the server does.
    def hincrby(*words)
      issue(["HINCRBY", *words])
    end

    # The command {https://redis.io/commands/hkeys HKEYS}, answered as the server does.
    def hkeys(*words)
      issue(["HKEYS", *words])
    end

    # The command {https://redis.io/commands/hlen HLEN}, answered as the server does.
    def hlen(*words)
      issue(["HLEN", *words])
    end

    # The commands of {https://redis.io/commands/?name=hotkeys HOTKEYS}.
    # @param subcommand [String, Symbol] such as `:help`
    def hotkeys(subcommand, *words)
      issue(["HOTKEYS", subcommand, *words])
    end

    # The command {https://redis.io/commands/hpersist HPERSIST}, answered as the server does.
    def hpersist(*words)
      issue(["HPERSIST", *words])
    end

    # The command {https://redis.io/commands/hpexpire HPEXPIRE}, answered as the server does.
    def hpexpire(*words)
      issue(["HPEXPIRE", *words])
    end

    # The command {https://redis.io/commands/hpexpireat HPEXPIREAT}, answered as the server does.
    def hpexpireat(*words)
      issue(["HPEXPIREAT", *words])
    end

    # The command {https://redis.io/commands/hpexpiretime HPEXPIRETIME}, answered as the server does.
    def hpexpiretime(*words)
      issue(["HPEXPIRETIME", *words])
    end

    # The command {https://redis.io/commands/hpttl HPTTL}, answered as the server does.
    def hpttl(*words)
      issue(["HPTTL", *words])
    end

    # The command {https://redis.io/commands/hsetex HSETEX}, answered as the server does.
    def hsetex(*words)
      issue(["HSETEX", *words])
    end

    # The command {https://redis.io/commands/hstrlen HSTRLEN}, answered as the server does.
    def hstrlen(*words)
      issue(["HSTRLEN", *words])
    end

    # The command {https://redis.io/commands/httl HTTL}, answered as the server does.
    def httl(*words)
      issue(["HTTL", *words])
    end

    # The command {https://redis.io/commands/hvals HVALS}, answered as the server does.
    def hvals(*words)
      issue(["HVALS", *words])
    end

    # The command {https://redis.io/commands/incr INCR}, answered as the server does.
    def incr(*words)
      issue(["INCR", *words])
    end

    # The command {https://redis.io/commands/incrby INCRBY}, answered as the server does.
    def incrby(*words)
      issue(["INCRBY", *words])
    end

    # The command {https://redis.io/commands/increx INCREX}, answered as the server does.
    def increx(*words)
      issue(["INCREX", *words])
    end

    # The command {https://redis.io/commands/json.arrappend JSON.ARRAPPEND}, answered as the server does.
    def json_arrappend(*words)
      issue(["JSON.ARRAPPEND", *words])
    end

    # The command {https://redis.io/commands/json.arrindex JSON.ARRINDEX}, answered as the server does.
    def json_arrindex(*words)
      issue(["JSON.ARRINDEX", *words])
    end

    # The command {https://redis.io/commands/json.arrinsert JSON.ARRINSERT}, answered as the server does.
    def json_arrinsert(*words)
      issue(["JSON.ARRINSERT", *words])
    end

    # The command {https://redis.io/commands/json.arrlen JSON.ARRLEN}, answered as the server does.
    def json_arrlen(*words)
      issue(["JSON.ARRLEN", *words])
    end

    # The command {https://redis.io/commands/json.arrpop JSON.ARRPOP}, answered as the server does.
    def json_arrpop(*words)
      issue(["JSON.ARRPOP", *words])
    end

    # The command {https://redis.io/commands/json.arrtrim JSON.ARRTRIM}, answered as the server does.
    def json_arrtrim(*words)
      issue(["JSON.ARRTRIM", *words])
    end

    # The command {https://redis.io/commands/json.clear JSON.CLEAR}, answered as the server does.
    def json_clear(*words)
      issue(["JSON.CLEAR", *words])
    end

    # The command {https://redis.io/commands/json.debug JSON.DEBUG}, answered as the server does.
    def json_debug(*words)
      issue(["JSON.DEBUG", *words])
    end

    # The command {https://redis.io/commands/json.del JSON.DEL}, answered as the server does.
    def json_del(*words)
      issue(["JSON.DEL", *words])
    end

    # The command {https://redis.io/commands/json.forget JSON.FORGET}, answered as the server does.
    def json_forget(*words)
      issue(["JSON.FORGET", *words])
    end

    # The command {https://redis.io/commands/json.get JSON.GET}, answered as the server does.
    def json_get(*words)
      issue(["JSON.GET", *words])
    end

    # The command {https://redis.io/commands/json.merge JSON.MERGE}, answered as the server does.
    def json_merge(*words)
      issue(["JSON.MERGE", *words])
    end

    # The command {https://redis.io/commands/json.mget JSON.MGET}, answered as the server does.
    def json_mget(*words)
      issue(["JSON.MGET", *words])
    end

    # The command {https://redis.io/commands/json.mset JSON.MSET}, answered as the server does.
    def json_mset(*words)
      issue(["JSON.MSET", *words])
    end

    # The command {https://redis.io/commands/json.numincrby JSON.NUMINCRBY}, answered as the server does.
    def json_numincrby(*words)
      issue(["JSON.NUMINCRBY", *words])
    end

    # The command {https://redis.io/commands/json.nummultby JSON.NUMMULTBY}, answered as the server does.
    def json_nummultby(*words)
      issue(["JSON.NUMMULTBY", *words])
    end

    # The command {https://redis.io/commands/json.numpowby JSON.NUMPOWBY}, answered as the server does.
    def json_numpowby(*words)
      issue(["JSON.NUMPOWBY", *words])
    end

    # The command {https://redis.io/commands/json.objkeys JSON.OBJKEYS}, answered as the server does.
    def json_objkeys(*words)
      issue(["JSON.OBJKEYS", *words])
    end

    # The command {https://redis.io/commands/json.objlen JSON.OBJLEN}, answered as the server does.
    def json_objlen(*words)
      issue(["JSON.OBJLEN", *words])
    end

    # The command {https://redis.io/commands/json.resp JSON.RESP}, answered as the server does.
    def json_resp(*words)
      issue(["JSON.RESP", *words])
    end

    # The command {https://redis.io/commands/json.set JSON.SET}, answered as the server does.
    def json_set(*words)
      issue(["JSON.SET", *words])
    end

    # The command {https://redis.io/commands/json.strappend JSON.STRAPPEND}, answered as the server does.
    def json_strappend(*words)
      issue(["JSON.STRAPPEND", *words])
    end

    # The command {https://redis.io/commands/json.strlen JSON.STRLEN}, answered as the server does.
    def json_strlen(*words)
      issue(["JSON.STRLEN", *words])
    end

    # The command {https://redis.io/commands/json.toggle JSON.TOGGLE}, answered as the server does.
    def json_toggle(*words)
      issue(["JSON.TOGGLE", *words])
    end

    # The command {https://redis.io/commands/json.type JSON.TYPE}, answered as the server does.
    def json_type(*words)
      issue(["JSON.TYPE", *words])
    end

    # The command {https://redis.io/commands/lastsave LASTSAVE}, answered as the server does.
    def lastsave(*words)
      issue(["LASTSAVE", *words])
    end

    # The commands of {https://redis.io/commands/?name=latency LATENCY}.
    # @param subcommand [String, Symbol] such as `:help`
    def latency(subcommand, *words)
      issue(["LATENCY", subcommand, *words])
    end

    # The command {https://redis.io/commands/lcs LCS}, answered as the server does.
    def lcs(*words)
      issue(["LCS", *words])
    end

    # The command {https://redis.io/commands/lindex LINDEX}, answered as the server does.
    def lindex(*words)
      issue(["LINDEX", *words])
    end

    # The command {https://redis.io/commands/linsert LINSERT}, answered as the server does.
    def linsert(*words)
      issue(["LINSERT", *words])
    end

    # The command {https://redis.io/commands/llen LLEN}, answered as the server does.
    def llen(*words)
      issue(["LLEN", *words])
    end

    # The command {https://redis.io/commands/lmovem LMOVEM}, answered as the server does.
    def lmovem(*words)
      issue(["LMOVEM", *words])
    end

    # The command {https://redis.io/commands/lolwut LOLWUT}, answered as the server does.
    def lolwut(*words)
      issue(["LOLWUT", *words])
    end

    # The command {https://redis.io/commands/lpos LPOS}, answered as the server does.
    def lpos(*words)
      issue(["LPOS", *words])
    end

    # The command {https://redis.io/commands/lpushx LPUSHX}, answered as the server does.
    def lpushx(*words)
      issue(["LPUSHX", *words])
    end

    # The command {https://redis.io/commands/lrange LRANGE}, answered as the server does.
    def lrange(*words)
      issue(["LRANGE", *words])
    end

    # The command {https://redis.io/commands/lrem LREM}, answered as the server does.
    def lrem(*words)
      issue(["LREM", *words])
    end

    # The command {https://redis.io/commands/lset LSET}, answered as the server does.
    def lset(*words)
      issue(["LSET", *words])
    end

    # The command {https://redis.io/commands/ltrim LTRIM}, answered as the server does.
    def ltrim(*words)
      issue(["LTRIM", *words])
    end

    # The commands of {https://redis.io/commands/?name=memory MEMORY}.
    # @param subcommand [String, Symbol] such as `:help`
    def memory(subcommand, *words)
      issue(["MEMORY", subcommand, *words])
    end

    # The command {https://redis.io/commands/migrate MIGRATE}, answered as the server does.
    def migrate(*words)
      issue(["MIGRATE", *words])
    end

    # The commands of {https://redis.io/commands/?name=module MODULE}.
    # @param subcommand [String, Symbol] such as `:help`
    def module(subcommand, *words)
      issue(["MODULE", subcommand, *words])
    end

    # The command {https://redis.io/commands/msetex MSETEX}, answered as the server does.
    def msetex(*words)
      issue(["MSETEX", *words])
    end

    # The commands of {https://redis.io/commands/?name=object OBJECT}.
    # @param subcommand [String, Symbol] such as `:help`
    def object(subcommand, *words)
      issue(["OBJECT", subcommand, *words])
    end

    # The command {https://redis.io/commands/pexpiretime PEXPIRETIME}, answered as the server does.
    def pexpiretime(*words)
      issue(["PEXPIRETIME", *words])
    end

    # The command {https://redis.io/commands/pfcount PFCOUNT}, answered as the server does.
    def pfcount(*words)
      issue(["PFCOUNT", *words])
    end

    # The command {https://redis.io/commands/pttl PTTL}, answered as the server does.
    def pttl(*words)
      issue(["PTTL", *words])
    end

    # The command {https://redis.io/commands/publish PUBLISH}, answered as the server does.
    def publish(*words)
      issue(["PUBLISH", *words])
    end

    # The commands of {https://redis.io/commands/?name=pubsub PUBSUB}.
    # @param subcommand [String, Symbol] such as `:help`
    def pubsub(subcommand, *words)
      issue(["PUBSUB", subcommand, *words])
    end

    # The command {https://redis.io/commands/randomkey RANDOMKEY}, answered as the server does.
    def randomkey(*words)
      issue(["RANDOMKEY", *words])
    end

    # The command {https://redis.io/commands/rename RENAME}, answered as the server does.
    def rename(*words)
      issue(["RENAME", *words])
    end

    # The command {https://redis.io/commands/replicaof REPLICAOF}, answered as the server does.
    def replicaof(*words)
      issue(["REPLICAOF", *words])
    end

    # The command {https://redis.io/commands/role ROLE}, answered as the server does.
    def role(*words)
      issue(["ROLE", *words])
    end

    # The command {https://redis.io/commands/rpoplpush RPOPLPUSH}, answered as the server does.
    def rpoplpush(*words)
      issue(["RPOPLPUSH", *words])
    end

    # The command {https://redis.io/commands/rpushx RPUSHX}, answered as the server does.
    def rpushx(*words)
      issue(["RPUSHX", *words])
    end

    # The command {https://redis.io/commands/save SAVE}, answered as the server does.
    def save(*words)
      issue(["SAVE", *words])
    end

    # The command {https://redis.io/commands/scard SCARD}, answered as the server does.
    def scard(*words)
      issue(["SCARD", *words])
    end

    # The command {https://redis.io/commands/sdiff SDIFF}, answered as the server does.
    def sdiff(*words)
      issue(["SDIFF", *words])
    end

    # The command {https://redis.io/commands/sdiffcard SDIFFCARD}, answered as the server does.
    def sdiffcard(*words)
      issue(["SDIFFCARD", *words])
    end

    # The command {https://redis.io/commands/sdiffstore SDIFFSTORE}, answered as the server does.
    def sdiffstore(*words)
      issue(["SDIFFSTORE", *words])
    end

    # The command {https://redis.io/commands/setbit SETBIT}, answered as the server does.
    def setbit(*words)
      issue(["SETBIT", *words])
    end

    # The command {https://redis.io/commands/shutdown SHUTDOWN}, answered as the server does.
    def shutdown(*words)
      issue(["SHUTDOWN", *words])
    end

    # The command {https://redis.io/commands/sinter SINTER}, answered as the server does.
    def sinter(*words)
      issue(["SINTER", *words])
    end

    # The command {https://redis.io/commands/sintercard SINTERCARD}, answered as the server does.
    def sintercard(*words)
      issue(["SINTERCARD", *words])
    end

    # The command {https://redis.io/commands/sinterstore SINTERSTORE}, answered as the server does.
    def sinterstore(*words)
      issue(["SINTERSTORE", *words])
    end

    # The command {https://redis.io/commands/slaveof SLAVEOF}, answered as the server does.
    def slaveof(*words)
      issue(["SLAVEOF", *words])
    end

    # The commands of {https://redis.io/commands/?name=slowlog SLOWLOG}.
    # @param subcommand [String, Symbol] such as `:help`
    def slowlog(subcommand, *words)
      issue(["SLOWLOG", subcommand, *words])
    end

    # The command {https://redis.io/commands/smembers SMEMBERS}, answered as the server does.
    def smembers(*words)
      issue(["SMEMBERS", *words])
    end

    # The command {https://redis.io/commands/sort_ro SORT_RO}, answered as the server does.
    def sort_ro(*words)
      issue(["SORT_RO", *words])
    end

    # The command {https://redis.io/commands/spublish SPUBLISH}, answered as the server does.
    def spublish(*words)
      issue(["SPUBLISH", *words])
    end

    # The command {https://redis.io/commands/strlen STRLEN}, answered as the server does.
    def strlen(*words)
      issue(["STRLEN", *words])
    end

    # The command {https://redis.io/commands/substr SUBSTR}, answered as the server does.
    def substr(*words)
      issue(["SUBSTR", *words])
    end

    # The command {https://redis.io/commands/sunion SUNION}, answered as the server does.
    def sunion(*words)
      issue(["SUNION", *words])
    end

    # The command {https://redis.io/commands/sunioncard SUNIONCARD}, answered as the server does.
    def sunioncard(*words)
      issue(["SUNIONCARD", *words])
    end

    # The command {https://redis.io/commands/sunionstore SUNIONSTORE}, answered as the server does.
    def sunionstore(*words)
      issue(["SUNIONSTORE", *words])
    end

    # The command {https://redis.io/commands/swapdb SWAPDB}, answered as the server does.
    def swapdb(*words)
      issue(["SWAPDB", *words])
    end

    # The command {https://redis.io/commands/tdigest.add TDIGEST.ADD}, answered as the server does.
    def tdigest_add(*words)
      issue(["TDIGEST.ADD", *words])
    end

    # The command {https://redis.io/commands/tdigest.byrank TDIGEST.BYRANK}, answered as the server does.
    def tdigest_byrank(*words)
      issue(["TDIGEST.BYRANK", *words])
    end

    # The command {https://redis.io/commands/tdigest.byrevrank TDIGEST.BYREVRANK}, answered as the server does.
    def tdigest_byrevrank(*words)
      issue(["TDIGEST.BYREVRANK", *words])
    end

    # The command {https://redis.io/commands/tdigest.cdf TDIGEST.CDF}, answered as the server does.
    def tdigest_cdf(*words)
      issue(["TDIGEST.CDF", *words])
    end

    # The command {https://redis.io/commands/tdigest.create TDIGEST.CREATE}, answered as the server does.
    def tdigest_create(*words)
      issue(["TDIGEST.CREATE", *words])
    end

    # The command {https://redis.io/commands/tdigest.info TDIGEST.INFO}, answered as the server does.
    def tdigest_info(*words)
      issue(["TDIGEST.INFO", *words])
    end

    # The command {https://redis.io/commands/tdigest.max TDIGEST.MAX}, answered as the server does.
    def tdigest_max(*words)
      issue(["TDIGEST.MAX", *words])
    end

    # The command {https://redis.io/commands/tdigest.merge TDIGEST.MERGE}, answered as the server does.
    def tdigest_merge(*words)
      issue(["TDIGEST.MERGE", *words])
    end

    # The command {https://redis.io/commands/tdigest.min TDIGEST.MIN}, answered as the server does.
    def tdigest_min(*words)
      issue(["TDIGEST.MIN", *words])
    end

    # The command {https://redis.io/commands/tdigest.quantile TDIGEST.QUANTILE}, answered as the server does.
    def tdigest_quantile(*words)
      issue(["TDIGEST.QUANTILE", *words])
    end

    # The command {https://redis.io/commands/tdigest.rank TDIGEST.RANK}, answered as the server does.
    def tdigest_rank(*words)
      issue(["TDIGEST.RANK", *words])
    end

    # The command {https://redis.io/commands/tdigest.reset TDIGEST.RESET}, answered as the server does.
    def tdigest_reset(*words)
      issue(["TDIGEST.RESET", *words])
    end

    # The command {https://redis.io/commands/tdigest.revrank TDIGEST.REVRANK}, answered as the server does.
    def tdigest_revrank(*words)
      issue(["TDIGEST.REVRANK", *words])
    end

    # The command {https://redis.io/commands/tdigest.trimmed_mean TDIGEST.TRIMMED_MEAN}, answered as the server does.
    def tdigest_trimmed_mean(*words)
      issue(["TDIGEST.TRIMMED_MEAN", *words])
    end

    # The command {https://redis.io/commands/topk.add TOPK.ADD}, answered as the server does.
    def topk_add(*words)
      issue(["TOPK.ADD", *words])
    end

    # The command {https://redis.io/commands/topk.count TOPK.COUNT}, answered as the server does.
    def topk_count(*words)
      issue(["TOPK.COUNT", *words])
    end

    # The command {https://redis.io/commands/topk.incrby TOPK.INCRBY}, answered as the server does.
    def topk_incrby(*words)
      issue(["TOPK.INCRBY", *words])
    end

    # The command {https://redis.io/commands/topk.info TOPK.INFO}, answered as the server does.
    def topk_info(*words)
      issue(["TOPK.INFO", *words])
    end

    # The command {https://redis.io/commands/topk.list TOPK.LIST}, answered as the server does.
    def topk_list(*words)
      issue(["TOPK.LIST", *words])
    end

    # The command {https://redis.io/commands/topk.query TOPK.QUERY}, answered as the server does.
    def topk_query(*words)
      issue(["TOPK.QUERY", *words])
    end

    # The command {https://redis.io/commands/topk.reserve TOPK.RESERVE}, answered as the server does.
    def topk_reserve(*words)
      issue(["TOPK.RESERVE", *words])
    end

    # The command {https://redis.io/commands/touch TOUCH}, answered as the server does.
    def touch(*words)
      issue(["TOUCH", *words])
    end

    # The command {https://redis.io/commands/trimslots TRIMSLOTS}, answered as the server does.
    def trimslots(*words)
      issue(["TRIMSLOTS", *words])
    end

    # The command {https://redis.io/commands/ts.add TS.ADD}, answered as the server does.
    def ts_add(*words)
      issue(["TS.ADD", *words])
    end

    # The command {https://redis.io/commands/ts.alter TS.ALTER}, answered as the server does.
    def ts_alter(*words)
      issue(["TS.ALTER", *words])
    end

    # The command {https://redis.io/commands/ts.create TS.CREATE}, answered as the server does.
    def ts_create(*words)
      issue(["TS.CREATE", *words])
    end

    # The command {https://redis.io/commands/ts.createrule TS.CREATERULE}, answered as the server does.
    def ts_createrule(*words)
      issue(["TS.CREATERULE", *words])
    end

    # The command {https://redis.io/commands/ts.decrby TS.DECRBY}, answered as the server does.
    def ts_decrby(*words)
      issue(["TS.DECRBY", *words])
    end

    # The command {https://redis.io/commands/ts.del TS.DEL}, answered as the server does.
    def ts_del(*words)
      issue(["TS.DEL", *words])
    end

    # The command {https://redis.io/commands/ts.deleterule TS.DELETERULE}, answered as the server does.
    def ts_deleterule(*words)
      issue(["TS.DELETERULE", *words])
    end

    # The command {https://redis.io/commands/ts.get TS.GET}, answered as the server does.
    def ts_get(*words)
      issue(["TS.GET", *words])
    end

    # The command {https://redis.io/commands/ts.incrby TS.INCRBY}, answered as the server does.
    def ts_incrby(*words)
      issue(["TS.INCRBY", *words])
    end

    # The command {https://redis.io/commands/ts.info TS.INFO}, answered as the server does.
    def ts_info(*words)
      issue(["TS.INFO", *words])
    end

    # The command {https://redis.io/commands/ts.madd TS.MADD}, answered as the server does.
    def ts_madd(*words)
      issue(["TS.MADD", *words])
    end

    # The command {https://redis.io/commands/ts.mget TS.MGET}, answered as the server does.
    def ts_mget(*words)
      issue(["TS.MGET", *words])
    end

    # The command {https://redis.io/commands/ts.mrange TS.MRANGE}, answered as the server does.
    def ts_mrange(*words)
      issue(["TS.MRANGE", *words])
    end

    # The command {https://redis.io/commands/ts.mrevrange TS.MREVRANGE}, answered as the server does.
    def ts_mrevrange(*words)
      issue(["TS.MREVRANGE", *words])
    end

    # The command {https://redis.io/commands/ts.nrange TS.NRANGE}, answered as the server does.
    def ts_nrange(*words)
      issue(["TS.NRANGE", *words])
    end

    # The command {https://redis.io/commands/ts.nrevrange TS.NREVRANGE}, answered as the server does.
    def ts_nrevrange(*words)
      issue(["TS.NREVRANGE", *words])
    end

    # The command {https://redis.io/commands/ts.queryindex TS.QUERYINDEX}, answered as the server does.
    def ts_queryindex(*words)
      issue(["TS.QUERYINDEX", *words])
    end

    # The command {https://redis.io/commands/ts.querylabels TS.QUERYLABELS}, answered as the server does.
    def ts_querylabels(*words)
      issue(["TS.QUERYLABELS", *words])
    end

    # The command {https://redis.io/commands/ts.range TS.RANGE}, answered as the server does.
    def ts_range(*words)
      issue(["TS.RANGE", *words])
    end

    # The command {https://redis.io/commands/ts.read TS.READ}, answered as the server does.
    def ts_read(*words)
      issue(["TS.READ", *words])
    end

    # The command {https://redis.io/commands/ts.revrange TS.REVRANGE}, answered as the server does.
    def ts_revrange(*words)
      issue(["TS.REVRANGE", *words])
    end

    # The command {https://redis.io/commands/ttl TTL}, answered as the server does.
    def ttl(*words)
      issue(["TTL", *words])
    end

    # The command {https://redis.io/commands/type TYPE}, answered as the server does.
    def type(*words)
      issue(["TYPE", *words])
    end

    # The command {https://redis.io/commands/unlink UNLINK}, answered as the server does.
    def unlink(*words)
      issue(["UNLINK", *words])
    end

    # The command {https://redis.io/commands/vadd VADD}, answered as the server does.
    def vadd(*words)
      issue(["VADD", *words])
    end

    # The command {https://redis.io/commands/vcard VCARD}, answered as the server does.
    def vcard(*words)
      issue(["VCARD", *words])
    end

    # The command {https://redis.io/commands/vdim VDIM}, answered as the server does.
    def vdim(*words)
      issue(["VDIM", *words])
    end

    # The command {https://redis.io/commands/vemb VEMB}, answered as the server does.
    def vemb(*words)
      issue(["VEMB", *words])
    end

    # The command {https://redis.io/commands/vgetattr VGETATTR}, answered as the server does.
    def vgetattr(*words)
      issue(["VGETATTR", *words])
    end

    # The command {https://redis.io/commands/vinfo VINFO}, answered as the server does.
    def vinfo(*words)
      issue(["VINFO", *words])
    end

    # The command {https://redis.io/commands/vismember VISMEMBER}, answered as the server does.
    def vismember(*words)
      issue(["VISMEMBER", *words])
    end

    # The command {https://redis.io/commands/vlinks VLINKS}, answered as the server does.
    def vlinks(*words)
      issue(["VLINKS", *words])
    end

    # The command {https://redis.io/commands/vrandmember VRANDMEMBER}, answered as the server does.
    def vrandmember(*words)
      issue(["VRANDMEMBER", *words])
    end

    # The command {https://redis.io/commands/vrange VRANGE}, answered as the server does.
    def vrange(*words)
      issue(["VRANGE", *words])
    end

    # The command {https://redis.io/commands/vrem VREM}, answered as the server does.
    def vrem(*words)
      issue(["VREM", *words])
    end

    # The command {https://redis.io/commands/vsetattr VSETATTR}, answered as the server does.
    def vsetattr(*words)
      issue(["VSETATTR", *words])
    end

    # The command {https://redis.io/commands/vsim VSIM}, answered as the server does.
    def vsim(*words)
      issue(["VSIM", *words])
    end

    # The command {https://redis.io/commands/wait WAIT}, answered as the server does.
    def wait(*words)
      issue(["WAIT", *words])
    end

    # The command {https://redis.io/commands/waitaof WAITAOF}, answered as the server does.
    def waitaof(*words)
      issue(["WAITAOF", *words])
    end

    # The command {https://redis.io/commands/xack XACK}, answered as the server does.
    def xack(*words)
      issue(["XACK", *words])
    end

    # The command {https://redis.io/commands/xackdel XACKDEL}, answered as the server does.
    def xackdel(*words)
      issue(["XACKDEL", *words])
    end

    # The command {https://redis.io/commands/xcfgset XCFGSET}, answered as the server does.
    def xcfgset(*words)
      issue(["XCFGSET", *words])
    end

    # The command {https://redis.io/commands/xdel XDEL}, answered as the server does.
    def xdel(*words)
      issue(["XDEL", *words])
    end

    # The command {https://redis.io/commands/xdelex XDELEX}, answered as the server does.
    def xdelex(*words)
      issue(["XDELEX", *words])
    end

    # The command {https://redis.io/commands/xidmprecord XIDMPRECORD}, answered as the server does.
    def xidmprecord(*words)
      issue(["XIDMPRECORD", *words])
    end

    # The command {https://redis.io/commands/xlen XLEN}, answered as the server does.
    def xlen(*words)
      issue(["XLEN", *words])
    end

    # The command {https://redis.io/commands/xnack XNACK}, answered as the server does.
    def xnack(*words)
      issue(["XNACK", *words])
    end

    # The command {https://redis.io/commands/xsetid XSETID}, answered as the server does.
    def xsetid(*words)
      issue(["XSETID", *words])
    end

    # The command {https://redis.io/commands/zcard ZCARD}, answered as the server does.
    def zcard(*words)
      issue(["ZCARD", *words])
    end

    # The command {https://redis.io/commands/zcount ZCOUNT}, answered as the server does.
    def zcount(*words)
      issue(["ZCOUNT", *words])
    end

    # The command {https://redis.io/commands/zintercard ZINTERCARD}, answered as the server does.
    def zintercard(*words)
      issue(["ZINTERCARD", *words])
    end

    # The command {https://redis.io/commands/zlexcount ZLEXCOUNT}, answered as the server does.
    def zlexcount(*words)
      issue(["ZLEXCOUNT", *words])
    end

    # The command {https://redis.io/commands/zremrangebylex ZREMRANGEBYLEX}, answered as the server does.
    def zremrangebylex(*words)
      issue(["ZREMRANGEBYLEX", *words])
    end

    # The command {https://redis.io/commands/zremrangebyrank ZREMRANGEBYRANK}, answered as the server does.
    def zremrangebyrank(*words)
      issue(["ZREMRANGEBYRANK", *words])
    end

    # The command {https://redis.io/commands/zremrangebyscore ZREMRANGEBYSCORE}, answered as the server does.
    def zremrangebyscore(*words)
      issue(["ZREMRANGEBYSCORE", *words])
    end
  end
end
