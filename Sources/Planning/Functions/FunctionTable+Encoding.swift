// The functions of bytes: encodings, digests, bits.

import Columns

extension FunctionTable {
    static let encodings: [FunctionDefinition] = [
        digest("md5", .md5, "The MD5 in hexadecimal.", ofBytes: .text),
        digest("sha1", .sha1, "The SHA-1: of text in hexadecimal, of bytes as bytes."),
        digest("sha224", .sha224, "The SHA-224: of text in hexadecimal, of bytes as bytes."),
        digest("sha256", .sha256, "The SHA-256: of text in hexadecimal, of bytes as bytes."),
        digest("sha384", .sha384, "The SHA-384: of text in hexadecimal, of bytes as bytes."),
        digest("sha512", .sha512, "The SHA-512: of text in hexadecimal, of bytes as bytes."),
        FunctionDefinition(
            "sha2", meaning: .rewrite(.sha2), .encoding, "The SHA-2 of 224, 256, 384 or 512 bits: of text in hexadecimal, of bytes as bytes.",
            FunctionSignature([.text, .integer], .type(.text)), FunctionSignature([.bytes, .integer], .type(.bytes))),
        ofTextOrBytes("crc32", .crc32, "The CRC-32 of zip and Ethernet.", .bigint),
        ofTextOrBytes("crc32c", .crc32c, "The CRC-32C (Castagnoli).", .bigint),
        FunctionDefinition(
            ["to_hex"], meaning: .call(.toHex), .encoding, "In hexadecimal (a negative integer as two's complement).", hexSignatures),
        FunctionDefinition(
            ["hex"], meaning: .call(.toUpperHex), .encoding, "In hexadecimal with capital letters (a negative integer as two's complement).",
            hexSignatures),
        FunctionDefinition(
            "unhex", "from_hex", meaning: .call(.unhex), .encoding, "The bytes that hexadecimal digits show.",
            FunctionSignature([.text], .type(.bytes))),
        FunctionDefinition(
            "bin", "to_bin", meaning: .call(.toBinary), .encoding, "In binary digits (a negative integer as two's complement).",
            FunctionSignature([.anyInteger], .type(.text))),
        FunctionDefinition(
            "to_oct", "oct", meaning: .call(.toOctal), .encoding, "In octal digits (a negative integer as two's complement).",
            FunctionSignature([.anyInteger], .type(.text))),
        FunctionDefinition(
            "encode", meaning: .rewrite(.encode), .encoding,
            "Bytes as text: `hex`, `base64` (lines of 76 characters) or `escape`; a text as bytes in a character set (`UTF-8`, `UTF-16`, `UTF-16BE`, `UTF-16LE`, `ISO-8859-1`, `US-ASCII`).",
            FunctionSignature([.text, .text], .type(.bytes)), FunctionSignature([.bytes, .text], .type(.text))),
        FunctionDefinition(
            "convert_to", meaning: .call(.textToBytes), .encoding, "A text as bytes in a character set.",
            FunctionSignature([.text, .text], .type(.bytes))),
        FunctionDefinition(
            "convert_from", meaning: .call(.bytesToText), .encoding, "The text that bytes hold in a character set.",
            FunctionSignature([.bytes, .text], .type(.text))),
        ofTextOrBytes("to_base64", .toBase64, "In base64, on one line.", .text, aliases: ["base64"]),
        FunctionDefinition(
            "from_base64", "unbase64", meaning: .call(.fromBase64), .encoding, "The text that base64 shows.",
            FunctionSignature([.text], .type(.text))),
        FunctionDefinition(
            "url_encode", meaning: .call(.urlEncode), .encoding, "As in the query of a URL: a space becomes `+`, most else `%` and two hexadecimal digits.",
            FunctionSignature([.text], .type(.text))),
        FunctionDefinition(
            "url_decode", meaning: .call(.urlDecode), .encoding, "The inverse of url_encode.", FunctionSignature([.text], .type(.text))),
        FunctionDefinition(
            "parse_url", meaning: .call(.parseURL), .encoding,
            "A part of a URL: PROTOCOL, HOST, PATH, QUERY, REF, FILE, AUTHORITY or USERINFO; with QUERY, the value of a key. NULL when it is not there.",
            FunctionSignature([.text, .text, .text], required: 2, .type(.text))),
        FunctionDefinition(
            "get_byte", meaning: .call(.getByte), .encoding, "The byte with that number, from 0.",
            FunctionSignature([.bytes, .integer], .type(.integer))),
        FunctionDefinition(
            "set_byte", meaning: .call(.setByte), .encoding, "The bytes with the one of that number, from 0, replaced.",
            FunctionSignature([.bytes, .integer, .integer], .type(.bytes))),
        FunctionDefinition(
            "get_bit", meaning: .call(.getBit), .encoding, "The bit with that number, from 0; within a byte the lowest comes first.",
            FunctionSignature([.bytes, .bigint], .type(.integer))),
        FunctionDefinition(
            "set_bit", meaning: .call(.setBit), .encoding, "The bytes with the bit of that number, from 0, replaced.",
            FunctionSignature([.bytes, .bigint, .integer], .type(.bytes))),
        FunctionDefinition(
            "bit_count", meaning: .call(.bitCount), .encoding, "How many bits are set (of a negative integer in two's complement).",
            FunctionSignature([.anyInteger], .type(.bigint)), FunctionSignature([.bytes], .type(.bigint))),
    ]

    private static let hexSignatures = [
        FunctionSignature([.anyInteger], .type(.text)), FunctionSignature([.bytes], .type(.text)), FunctionSignature([.text], .type(.text)),
    ]

    private static func digest(_ name: String, _ function: ScalarFunction, _ doc: String, ofBytes: SQLType = .bytes) -> FunctionDefinition {
        FunctionDefinition(
            name, meaning: .call(function), .encoding, doc, FunctionSignature([.text], .type(.text)),
            FunctionSignature([.bytes], .type(ofBytes)))
    }

    private static func ofTextOrBytes(_ name: String, _ function: ScalarFunction, _ doc: String, _ result: SQLType, aliases: [String] = [])
        -> FunctionDefinition
    {
        FunctionDefinition(
            [name] + aliases, meaning: .call(function), .encoding, doc,
            [FunctionSignature([.text], .type(result)), FunctionSignature([.bytes], .type(result))])
    }
}
