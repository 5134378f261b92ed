/// Certificates made for these tests, for localhost and 127.0.0.1. Their keys are known to everybody.
enum TestCertificate {
    /// Good from 2020 to 2120.
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
        c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
        CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAKFUBpBHwdvwBwH
        eo8A2BGxRIVEvNmbXsy+ChqXo81Ysovn6fp3MlrgzEGzIFwEckcncsepyyqub5C4
        PYLSFxGjTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0
        hwR/AAABMB0GA1UdDgQWBBTLigiFp4Oq0rx3a7K0BlKAvckkATAKBggqhkjOPQQD
        AgNJADBGAiEAqTLECfTKEWkFPBDtCZOSizU0OK5MS/lo5w28x3IQOvcCIQCSL39k
        +MtZ5C/jinIBroxUnyeOXGKp4s01Ic8zuEw/OA==
        -----END CERTIFICATE-----
        """

    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdAFb+bW1EpQl2o45
        zZly1jnr2gdeVPIR4dRuTFIJspihRANCAAQChVAaQR8Hb8AcB3qPANgRsUSFRLzZ
        m17Mvgoal6PNWLKL5+n6dzJa4MxBsyBcBHJHJ3LHqcsqrm+QuD2C0hcR
        -----END PRIVATE KEY-----
        """

    static let encryptedKey = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg206T49iJScAICCAAw
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEFGhtVo99jU4EkSF25Van90EgZDT
        qxs3nQzfdPdx/Dhw3jZnycFw/6uVLX3YDKiPvT7W1uCyKlAMV9o/fyUBdvOF6Pk9
        b8tm7Z3keKN3C1zDDUYw2/R6ZF6BQCSrmZx9gQfNhMvigiIFqL2K+frwN5tAbdcO
        S+XbLg5p5DOMrfj0Hg+/20smu4rZEdBNMNKzJ05a3BKVwoNJLaZXOLG3Nzb4HDo=
        -----END ENCRYPTED PRIVATE KEY-----
        """

    /// Good in January of 2020.
    static let oldCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBZTCCAQugAwIBAgIBAjAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
        c3QwHhcNMjAwMTAxMDAwMDAwWhcNMjAwMjAxMDAwMDAwWjAUMRIwEAYDVQQDDAls
        b2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATWIiEL5lPCu74KpmZJ
        GSuPhRJhxQvtBuguvRIgpB7HdeDjYUA4OiGA2t4dBkSMG9pHISRjY1kQw8nWg7Ar
        X0zqo04wTDAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcE
        fwAAATAdBgNVHQ4EFgQUeWztva+6qiLAN4H0UvETLI5jWRAwCgYIKoZIzj0EAwID
        SAAwRQIgMR8ElVrcpdJCzZu7/xRW0mWNyY3xoJUrwRWnMs4v8/cCIQDINFu1sLSz
        lgoylVWIFfEWqtRcv6i7TZF1MdStB7Ga6w==
        -----END CERTIFICATE-----
        """

    static let oldKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMOFw9rCOMu4MS8GS
        fTOiJG2KdhWxxJA6EVRgjO+IVQShRANCAATWIiEL5lPCu74KpmZJGSuPhRJhxQvt
        BuguvRIgpB7HdeDjYUA4OiGA2t4dBkSMG9pHISRjY1kQw8nWg7ArX0zq
        -----END PRIVATE KEY-----
        """
}
