import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** Prints, per file and flavour: name, flavour, verdict, rules tried, and each clause broken. */
class VeraPdf {
    private static final String[] FLAVOURS = {"3a", "ua1"};

    public static void main(String[] files) throws Exception {
        Logger.getLogger("").setLevel(Level.OFF);
        VeraGreenfieldFoundryProvider.initialise();
        for (String file : files) {
            for (String name : FLAVOURS) {
                System.out.println(line(file, PDFAFlavour.fromString(name)));
            }
        }
    }

    private static String line(String file, PDFAFlavour flavour) throws Exception {
        try (InputStream stream = new FileInputStream(file);
                PDFAParser parser = Foundries.defaultInstance().createParser(stream, flavour);
                PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, false)) {
            ValidationResult found = validator.validate(parser);
            StringBuilder said = new StringBuilder(new File(file).getName());
            said.append('\t').append(flavour.getId()).append('\t');
            said.append(found.isCompliant() ? "compliant" : "broken").append('\t');
            said.append(found.getTotalAssertions());
            for (TestAssertion broken : found.getTestAssertions()) {
                said.append('\t').append(broken.getRuleId().getClause());
                said.append('-').append(broken.getRuleId().getTestNumber());
            }
            return said.toString();
        }
    }
}
