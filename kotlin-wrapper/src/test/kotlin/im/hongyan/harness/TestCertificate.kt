// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import java.io.File

/** The certificate of a server on this machine, from an authority that nobody trusts by himself. */
object TestCertificate {
    /** Maven runs the tests in the folder of its project. */
    private val folder = File("../tests/fixtures/tls")

    /** The authority's certificate, in PEM. */
    val authority: String get() = File(folder, "authority.pem").readText()

    /** What the server is started with. */
    val arguments: List<String>
        get() = listOf("--tls-certificate", File(folder, "certificate.pem").path, "--tls-key", File(folder, "key.pem").path)
}
