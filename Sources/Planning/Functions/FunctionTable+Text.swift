// The functions of texts. Positions and lengths count characters (code points), from 1.

import Columns

extension FunctionTable {
    static let texts: [FunctionDefinition] = [
        text(["upper", "ucase"], .upper, "Letters in upper case.", [.text], .type(.text)),
        text(["lower", "lcase"], .lower, "Letters in lower case.", [.text], .type(.text)),
        text(["initcap"], .initcap, "The first letter of each word in upper case, the others in lower.", [.text], .type(.text)),
        FunctionDefinition(
            "char_length", "length", "character_length", "len", meaning: .call(.charLength), .text, "How many characters; of bytes, how many.",
            FunctionSignature([.text], .type(.integer)), FunctionSignature([.bytes], .type(.integer))),
        FunctionDefinition(
            "bit_length", meaning: .rewrite(.bitLength), .text, "Eight times the number of bytes.", FunctionSignature([.text], .type(.integer)),
            FunctionSignature([.bytes], .type(.integer))),
        FunctionDefinition(
            "octet_length", meaning: .call(.octetLength), .text, "How many bytes.", FunctionSignature([.text], .type(.integer)),
            FunctionSignature([.bytes], .type(.integer))),
        text(
            ["substring", "substr", "mid"], .substring,
            "From a position, counted from 1 (a negative one counts from the end); at most so many characters.",
            [.text, .integer, .integer], required: 2, .type(.text)),
        text(["left"], .left, "The first n characters; a negative n leaves out the last -n.", [.text, .integer], .type(.text)),
        text(["right"], .right, "The last n characters; a negative n leaves out the first -n.", [.text, .integer], .type(.text)),
        text(
            ["overlay"], .overlay, "The text with the characters from a position (so many of them) replaced.",
            [.text, .text, .integer, .integer], required: 3, .type(.text)),
        text(["position"], .position, "Where the first text stands in the second; 0 when it does not.", [.text, .text], .type(.integer)),
        text(["strpos", "instr"], .strpos, "Where the second text stands in the first; 0 when it does not.", [.text, .text], .type(.integer)),
        text(
            ["locate"], .locate, "Where the first text stands in the second, from a position on; 0 when it does not.",
            [.text, .text, .integer], required: 2, .type(.integer)),
        text(["replace"], .replace, "Every occurrence of the second text replaced by the third.", [.text, .text, .text], .type(.text)),
        text(
            ["translate"], .translate, "Each character found in the second text replaced by the one at its place in the third, or removed.",
            [.text, .text, .text], .type(.text)),
        text(
            ["btrim", "trim"], .trimBoth, "Without spaces (or the given characters) at both ends.", [.text, .text], required: 1, .type(.text)),
        text(["ltrim"], .trimLeft, "Without spaces (or the given characters) at the start.", [.text, .text], required: 1, .type(.text)),
        text(["rtrim"], .trimRight, "Without spaces (or the given characters) at the end.", [.text, .text], required: 1, .type(.text)),
        text(
            ["lpad"], .padLeft, "Filled up at the start to n characters with spaces (or a text); cut at n.", [.text, .integer, .text],
            required: 2, .type(.text)),
        text(
            ["rpad"], .padRight, "Filled up at the end to n characters with spaces (or a text); cut at n.", [.text, .integer, .text],
            required: 2, .type(.text)),
        text(["repeat"], .repeatText, "The text n times.", [.text, .integer], .type(.text)),
        text(["reverse"], .reverse, "The characters in reverse order.", [.text], .type(.text)),
        FunctionDefinition(
            "concat", meaning: .call(.concat), .text, "All arguments as text, one after the other; NULLs are passed over.",
            FunctionSignature([.any], isVariadic: true, .type(.text))),
        FunctionDefinition(
            "concat_ws", meaning: .call(.concatWithSeparator), .text,
            "All arguments but the first as text, with the first between them; NULLs are passed over.",
            FunctionSignature([.text, .any], isVariadic: true, .type(.text))),
        text(
            ["split_part"], .splitPart, "The n-th part (from 1; negative from the end) between separators; empty when there is none.",
            [.text, .text, .integer], .type(.text)),
        text(
            ["split_index"], .splitIndex, "The n-th part (from 0) between separators; NULL when there is none.", [.text, .text, .integer],
            .type(.text)),
        text(["starts_with", "startswith"], .startsWith, "Whether the first text begins with the second.", [.text, .text], .type(.boolean)),
        text(["ends_with", "endswith"], .endsWith, "Whether the first text ends with the second.", [.text, .text], .type(.boolean)),
        text(["ascii"], .ascii, "The code point of the first character; 0 for an empty text.", [.text], .type(.integer)),
        text(["chr"], .chr, "The character with that code point.", [.integer], .type(.text)),
        text(["contains"], .contains, "Whether the first text has the second in it.", [.text, .text], .type(.boolean)),
        text(
            ["substring_index"], .substringIndex,
            "The text before the n-th separator, all of it when there are fewer; a negative n counts from the end and takes what follows.",
            [.text, .text, .integer], .type(.text)),
        FunctionDefinition("space", meaning: .rewrite(.space), .text, "n spaces.", FunctionSignature([.integer], .type(.text))),
        text(
            ["levenshtein"], .levenshtein, "How many characters must be put in, taken out or changed to make one text the other.",
            [.text, .text], .type(.integer)),
        text(["hamming"], .hamming, "In how many characters two texts of one length differ.", [.text, .text], .type(.integer)),
        text(["soundex"], .soundex, "The Soundex code of the English sound of a word.", [.text], .type(.text)),
        text(["difference"], .difference, "How many characters of the Soundex codes agree, 0 to 4.", [.text, .text], .type(.integer)),
        text(["is_digit"], .isDigits, "Whether there are only the digits 0 to 9, and at least one.", [.text], .type(.boolean)),
        text(["is_alpha"], .isLetters, "Whether there are only letters, and at least one.", [.text], .type(.boolean)),
        text(["is_decimal"], .isNumber, "Whether the text is a number, so that a CAST to DOUBLE succeeds.", [.text], .type(.boolean)),
        FunctionDefinition(
            "quote_literal", meaning: .call(.quoteLiteral), .text, "As a literal of SQL.", FunctionSignature([.any], .type(.text))),
        FunctionDefinition(
            "quote_nullable", meaning: .call(.quoteNullable), .text, "As a literal of SQL; NULL gives the word NULL.",
            FunctionSignature([.any], .type(.text))),
        text(["quote_ident"], .quoteIdentifier, "As a name in SQL, in quotes where it needs them.", [.text], .type(.text)),
        FunctionDefinition(
            "format", meaning: .call(.format), .text,
            "The pattern with `%s` (text), `%I` (name) and `%L` (literal) replaced by the arguments; `%2$s` takes the second, `%-10s` fills up to ten characters, `%%` is a percent sign.",
            FunctionSignature([.text, .any], required: 1, isVariadic: true, .type(.text))),
    ]

    private static func text(
        _ names: [String], _ function: ScalarFunction, _ doc: String, _ arguments: [FunctionSignature.Argument], required: Int? = nil,
        _ result: FunctionSignature.Result
    ) -> FunctionDefinition {
        FunctionDefinition(
            names, meaning: .call(function), .text, doc, [FunctionSignature(arguments, required: required, result)])
    }
}
