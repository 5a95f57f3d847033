// Quantiles: critical values of the tests that models make, computed once for a call.

import Glibc

enum Quantiles {
    /// Of the normal distribution (the rational approximation of Acklam 2003; relative error below 1.2e-9). `probability` is within 0..<1.
    static func normal(_ probability: Double) -> Double {
        if probability <= 0 { return -.infinity }
        if probability >= 1 { return .infinity }
        if probability > 0.97575 { return -normal(1 - probability) }
        if probability < 0.02425 {
            let q = (-2 * log(probability)).squareRoot()
            let above = ((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838) * q - 2.549732539343734) * q
                + 4.374664141464968) * q + 2.938163982698783
            let below = (((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1
            return above / below
        }
        let q = probability - 0.5
        let r = q * q
        let above = ((((-3.969683028665376e+01 * r + 2.209460984245205e+02) * r - 2.759285104469687e+02) * r + 1.383577518672690e+02) * r
            - 3.066479806614716e+01) * r + 2.506628277459239
        let below = ((((-5.447609879822406e+01 * r + 1.615858368580409e+02) * r - 1.556989798598866e+02) * r + 6.680131188771972e+01) * r
            - 1.328068155288572e+01) * r + 1
        return above * q / below
    }

    /// Of Student's t, by the expansion about the normal quantile (Abramowitz and Stegun 26.7.5).
    static func student(_ probability: Double, degrees: Double) -> Double {
        let z = normal(probability)
        let z2 = z * z
        let first = (z2 + 1) * z / 4
        let second = ((5 * z2 + 16) * z2 + 3) * z / 96
        let third = (((3 * z2 + 19) * z2 + 17) * z2 - 15) * z / 384
        return z + first / degrees + second / (degrees * degrees) + third / (degrees * degrees * degrees)
    }

    /// Of chi squared (Wilson and Hilferty 1931).
    static func chiSquared(_ probability: Double, degrees: Double) -> Double {
        let ninth = 2 / (9 * degrees)
        let root = max(0, 1 - ninth + normal(probability) * ninth.squareRoot())
        return degrees * root * root * root
    }
}
