import Tensors

/// Files that numpy 2.4 wrote (`numpy.save`, `numpy.savez`, `numpy.savez_compressed`), in base64.
enum NumPyFixture: String, CaseIterable {
    case float32 = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAMA/AAAAwAAAQEAAAIBAAACgQAAAgH8=
        """
    case float16v3 = """
        k05VTVBZAwB0AAAAeydkZXNjcic6ICc8ZjInLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAOP97
        """
    case uint8v2 = """
        k05VTVBZAgB0AAAAeydkZXNjcic6ICd8dTEnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwgMiksIH0gICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoA/w==
        """
    case int32 = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr/////////fw==
        """
    case int64 = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAgA==
        """
    case bool = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnfGIxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAE=
        """
    case empty = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDAsIDMpLCB9ICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo=
        """
    case fortran = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAADAAAAAQAAAAQAAAACAAAABQAAAABAAAADQAAAAUAAAARAAAACQAAABUA\
        AAACAAAADgAAAAYAAAASAAAACgAAABYAAAADAAAADwAAAAcAAAATAAAACwAAABcAAAA=
        """
    case float64 = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAADwPw==
        """
    case bigEndian = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/gAAA
        """
    case int16 = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPGkyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAA==
        """
    case objects = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnfE8nLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqABJWKAAAAAAAAAIwWbnVtcHkuX2NvcmUubXVsdGlhcnJheZSMDF9yZWNvbnN0\
        cnVjdJSTlIwFbnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwGFlGgDjAVkdHlwZZSTlIwCTziUiYiHlFKUKEsDjAF8lE5OTkr/////Sv//\
        //9LP3SUYoldlE5hdJRiLg==
        """
    case fields = """
        k05VTVBZAQB2AHsnZGVzY3InOiBbKCdhJywgJzxpNCcpLCAoJ2InLCAnPGk0JyldLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwp\
        LCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAAAAgAAAA==
        """
    case text = """
        k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAYgAAAA==
        """
    case stored = """
        UEsDBC0AAAAAAAAAIQCyGuwR//////////8KABQAcGl4ZWxzLm5weQEAEACsAQAAAAAAAKwBAAAAAAAAk05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywg\
        J2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsIDEwMCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg\
        ICAgICAgICAgICAgIAoAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAEC\
        AwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQF\
        BgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgAB\
        AgMEBQYAAQIDAAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgMEBQYAAQIDBAUGAAFQSwMELQAAAAAAAAAhAAZgiXr//////////wcAFABpZHMu\
        bnB5AQAQAJAAAAAAAAAAkAAAAAAAAACTTlVNUFkBAHYAeydkZXNjcic6ICc8aTgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwg\
        MSksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgCgEAAAAAAAAA+/////////9QSwECLQMt\
        AAAAAAAAACEAshrsEawBAACsAQAACgAAAAAAAAAAAAAAgAEAAAAAcGl4ZWxzLm5weVBLAQItAy0AAAAAAAAAIQAGYIl6kAAAAJAAAAAHAAAAAAAAAAAA\
        AACAAegBAABpZHMubnB5UEsFBgAAAAACAAIAbQAAALECAAAAAA==
        """
    case deflated = """
        UEsDBC0AAAAIAAAAIQCyGuwR//////////8KABQAcGl4ZWxzLm5weQEAEACsAQAAAAAAAFQAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6j\
        oJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjoKhgYGmjoKtQpkAi4GRiZmFla2EUuRohoAUEsDBC0AAAAIAAAAIQAGYIl6//////////8HABQA\
        aWRzLm5weQEAEACQAAAAAAAAAE0AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjoK\
        hpo6CrUKZAMuRgYI+P0fAgBQSwECLQMtAAAACAAAACEAshrsEVQAAACsAQAACgAAAAAAAAAAAAAAgAEAAAAAcGl4ZWxzLm5weVBLAQItAy0AAAAIAAAA\
        IQAGYIl6TQAAAJAAAAAHAAAAAAAAAAAAAACAAZAAAABpZHMubnB5UEsFBgAAAAACAAIAbQAAABYBAAAAAA==
        """

    var bytes: [UInt8] { decodeBase64(rawValue) }
    var storage: TensorStorage { TensorStorage(copying: bytes) }
}

/// Base64 without line breaks, for fixtures.
func decodeBase64(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var bitCount = 0
    for byte in text.utf8 where byte != UInt8(ascii: "=") {
        let digit: UInt8 =
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): 62
            default: 63
            }
        bits = bits << 6 | UInt32(digit)
        bitCount += 6
        if bitCount >= 8 {
            bitCount -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
        }
    }
    return bytes
}
